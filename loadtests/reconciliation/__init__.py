"""The answers that clients got, compared with what the server holds."""
