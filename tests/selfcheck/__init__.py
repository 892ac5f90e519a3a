"""Tests of sim.selfcheck."""
