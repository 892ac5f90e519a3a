"""Random mutations of the catalogue, tried: ``python -m tests.tools.mutations``."""
