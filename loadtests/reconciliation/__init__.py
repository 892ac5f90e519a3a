"""What clients were told against what the server holds."""
