"""Terraform plans bound to what was reviewed."""
