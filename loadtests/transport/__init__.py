"""One request at its due time, at most once: client, pacing, guard and record."""
