"""The databases behind the reference exchange: SQLite and PostgreSQL."""
