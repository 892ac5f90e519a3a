"""Tests of sim.demand."""
