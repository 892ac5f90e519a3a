"""A plan carried out, by one process or by a master and its workers."""
