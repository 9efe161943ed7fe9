"""One module per file format: text in, facts with their places out; new facts in, edits out."""
