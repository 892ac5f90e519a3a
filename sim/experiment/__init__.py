"""Many replications: run in parallel, kept on disk, resumed, and traced for the load test."""
