"""Tests of sim.feedback."""
