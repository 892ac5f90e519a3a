"""Tests of sim.experiment."""
