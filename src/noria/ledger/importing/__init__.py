"""Brings over what another tracking server holds."""
