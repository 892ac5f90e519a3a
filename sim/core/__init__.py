"""Tools for every room: time in whole milliseconds, the tables between rooms, the compiler, lazy properties."""
