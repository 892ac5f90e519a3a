"""Tests of the house itself: walls, README, benchmarks."""
