"""The drawn demand served at the desk: the SimPy reference, its compiled twin, and their outcome."""
