"""Predictions that nobody waits for: accepted, computed in the background, fetched later."""
