"""What the schema and the comments of a scenario say about its keys."""
