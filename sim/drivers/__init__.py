"""What drives demand from outside: prices, newcomers, and the levers that a platform pulls."""
