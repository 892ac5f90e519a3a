"""What is read off one replication before it becomes a metric: counts, waits, complaints."""
