"""The keys of a scenario, typed, each with its unit, meaning and range."""
