"""Information about a scenario's keys, read from the schema and from comments."""
