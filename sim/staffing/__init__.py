"""Who works when, and on which queues: teams, shifts, hires and surges as step functions."""
