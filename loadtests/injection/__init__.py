"""Repeated, competing and abandoned requests, and what the server records for them."""
