"""Puts every part in its socket: the only floor that knows adapters."""
