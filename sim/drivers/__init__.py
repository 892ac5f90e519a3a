"""External drivers of demand: prices, newcomers, and the platform's levers."""
