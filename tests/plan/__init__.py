"""Tests of loadtests.plan."""
