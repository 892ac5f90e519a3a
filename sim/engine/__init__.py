"""What happens to the drawn demand at the desk: the SimPy reference, its compiled twin, and their outcome."""
