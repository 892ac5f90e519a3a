"""Tests of sim.drivers."""
