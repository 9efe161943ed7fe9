"""One command per module; the registry is in ``release.cli.main``."""
