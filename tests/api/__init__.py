"""Tests of the face in Python: what it takes, shows and reads back, and the notebooks that use it."""
