"""Names for things: content digests, and ids that sort by time."""

from __future__ import annotations

import hashlib
import os

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def digest_of(content: bytes) -> str:
    """The name of content: `sha256:` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def new_id(prefix: str, now_ms: int, *, random: bytes | None = None) -> str:
    """An id such as `turn_01j9…` that sorts by its time: 10 time and 8 random characters, base 32.

    Args:
        prefix: What it names ("turn", "run", "event", …).
        now_ms: Milliseconds since 1970, from the caller's clock.
        random: Five bytes; the operating system's when left out.
    """
    noise = int.from_bytes(random if random is not None else os.urandom(5), "big")
    return f"{prefix}_{_base32(now_ms, 10)}{_base32(noise, 8)}"


def _base32(number: int, width: int) -> str:
    out = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        out.append(_ALPHABET[digit])
    return "".join(reversed(out))


def moment_of(name: str) -> int:
    """Milliseconds since 1970 at which `new_id` made an id.

    >>> moment_of(new_id("run", 1_700_000_000_000))
    1700000000000

    Raises:
        ValueError: it is no such id.
    """
    found = 0
    for character in name.rpartition("_")[2][:10]:
        found = found * 32 + _ALPHABET.index(character)
    return found
