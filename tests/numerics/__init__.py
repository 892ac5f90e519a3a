"""Tests of sim.numerics."""
