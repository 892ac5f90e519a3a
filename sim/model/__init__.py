"""A scenario made ready to run: offered load, feedback parameters, and measurement."""
