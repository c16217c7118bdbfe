"""Shipped promises: a contract suite per port, and keepers in memory."""
