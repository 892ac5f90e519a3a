"""Tests of the catalogue and of the checklist of facts."""
