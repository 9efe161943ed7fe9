"""All that touches git."""
