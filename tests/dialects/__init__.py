"""Tests of loadtests.dialects."""
