"""The command line: arguments in, rendering out; no decisions."""
