"""Observations of one replication, from which metrics are computed: counts, waits, complaints."""
