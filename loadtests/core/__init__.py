"""What every room may use: faults, redaction of secrets, the schedule of a run's requests."""
