"""Servers and proxies that tests start and end."""
