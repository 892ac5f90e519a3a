"""Repeated, competing and given-up requests, and what the server records for them."""
