"""Experiments, runs and their points: the SQL and the rules of what clients log."""
