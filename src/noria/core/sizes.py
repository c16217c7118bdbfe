"""Amounts of memory as people write them ("2GB", "512MB")."""

from __future__ import annotations

import re

_UNITS = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}


def size_bytes(text: str) -> int:
    """Read an amount of memory; a KB has 1,024 bytes, and "KiB" says the same.

    Raises:
        ValueError: it is none.

    >>> size_bytes("1.5GB")
    1610612736
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B", text.strip(), re.IGNORECASE)
    if found is None:
        raise ValueError(f"{text!r} is no amount of memory; write for example '512MB' or '2GB'")
    return int(float(found[1]) * _UNITS[f"{found[2].upper()}B"])


def spoken_bytes(size: int) -> str:
    """An amount as people read it, in decimal units.

    >>> spoken_bytes(1_234_567)
    '1.2 MB'
    """
    for unit, whole in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= whole:
            return f"{size / whole:,.1f} {unit}"
    return f"{size} B"
