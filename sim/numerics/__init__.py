"""Random streams, distributions, rate curves, intervals, survival and statistics, independent of the desk."""
