"""Container images: what goes into them, how they are built, and what proves what is in them."""
