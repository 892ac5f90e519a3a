"""Output for readers: the run folder, figures, the report, and the meaning of every key."""
