"""The load test: a run's predicted arrivals, replayed in an open loop against a test system, and judged."""
