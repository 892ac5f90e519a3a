"""The numbers of one replication: each metric once, by subject, and the hourly series."""
