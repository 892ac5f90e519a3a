"""Staffing over time and queues served: teams, shifts, hires and surges as step functions."""
