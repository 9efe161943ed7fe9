"""Version every component of a monorepo on its own, from real git history."""
