"""Tests of loadtests.injection."""
