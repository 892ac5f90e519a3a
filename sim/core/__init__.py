"""What every room may use: time in whole milliseconds, the tables between rooms, the compiler, lazy properties."""
