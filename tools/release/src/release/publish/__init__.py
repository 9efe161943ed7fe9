"""Packages, and one file per destination that they are published to."""
