"""Tests of the reference exchange."""
