"""Random streams, distributions, rate curves, intervals, survival and statistics, which know nothing of a desk."""
