"""A TOML file and what it extends, read into one validated scenario."""
