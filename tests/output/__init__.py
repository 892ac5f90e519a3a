"""Tests of sim.output."""
