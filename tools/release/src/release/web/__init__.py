"""HTTP: one way to send a request, and GitHub's REST API."""
