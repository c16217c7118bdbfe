"""Sockets to the world: one Protocol a file, two to five methods each."""
