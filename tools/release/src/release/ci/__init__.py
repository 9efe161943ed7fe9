"""GitHub Actions workflows as values: the model, the catalogue, the emitter, the pins."""
