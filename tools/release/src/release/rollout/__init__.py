"""Helm rollouts as a state machine."""
