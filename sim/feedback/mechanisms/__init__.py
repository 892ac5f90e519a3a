"""The mechanisms of the feedback kernel: each declares its columns, parameters and stream, once."""
