"""Tests of sim.theory."""
