"""A run's data prepared for display, and its findings in sentences."""
