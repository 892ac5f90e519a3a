"""Slow twins of what the model computes fast, written from its definitions."""
