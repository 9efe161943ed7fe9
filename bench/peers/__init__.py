"""Other tools that find the next version of each component, run as their documentation says."""
