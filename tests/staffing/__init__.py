"""Tests of sim.staffing."""
