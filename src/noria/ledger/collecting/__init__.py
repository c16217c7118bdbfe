"""Collecting garbage: what nothing names any more is found, told, and deleted, while others write."""
