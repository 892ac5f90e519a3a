"""Load tests through servers that misbehave or repeat what they are sent: what is counted, and what leaks."""
