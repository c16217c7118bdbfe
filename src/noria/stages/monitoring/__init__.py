"""Watches what flows by: drift, realised quality and age, held against what is usual."""
