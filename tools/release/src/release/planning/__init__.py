"""From commits to a plan, by pure functions of values."""
