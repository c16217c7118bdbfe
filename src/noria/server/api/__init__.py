"""The JSON API under /api/v1: one file per slice, read side first, verbs apart."""
