"""Simulated traffic of rollouts, and the usual rules beside Noria's."""
