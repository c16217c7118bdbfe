"""Who hears how far a collection is."""

from __future__ import annotations

from collections.abc import Callable

Told = Callable[[str, float], None]
"""Given what is being done, and the share of it that is done, 0 to 1."""
