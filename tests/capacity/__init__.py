"""Tests of loadtests.capacity."""
