"""Vendors behind the ports, one file each."""
