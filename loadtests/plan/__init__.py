"""Command-line options made into a checked plan: target, accounts, funds and costs."""
