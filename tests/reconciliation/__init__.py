"""Tests of loadtests.reconciliation."""
