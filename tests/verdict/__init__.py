"""Tests of loadtests.verdict."""
