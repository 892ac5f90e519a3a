"""Tests of loadtests.transport."""
