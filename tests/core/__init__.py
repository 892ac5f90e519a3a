"""Tests of sim.core and loadtests.core."""
