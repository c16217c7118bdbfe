"""Streaming detectors: small state machines that see a change within rows, not at the end of a chunk."""
