"""Values that flow through a release; no input or output here."""
