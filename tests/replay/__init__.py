"""Tests of loadtests.replay."""
