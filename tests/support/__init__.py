"""Worlds, scenarios, runs and slow twins that several tests use."""
