"""The components and edges of a tree, and edits written to it."""
