"""What a reader gets: the run folder, figures, the report, and the meaning of every key."""
