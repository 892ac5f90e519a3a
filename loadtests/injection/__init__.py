"""Repeated, competing and given-up requests, and what the server makes of them."""
