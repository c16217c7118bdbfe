"""Passwords by Argon2id (RFC 9106), through argon2-cffi."""

from __future__ import annotations

import threading
import unicodedata
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

AT_ONCE = 2
"""Hashes that one process makes at a time: each takes `memory_kib`."""


class Argon:
    """`noria.ports.passwords.Passwords` with the second recommendation of RFC 9106, section 4: 64 MiB, three passes, four lanes.

    Args:
        memory_kib, passes, lanes: Of new hashes; tests take less.
    """

    def __init__(self, *, memory_kib: int = 65_536, passes: int = 3, lanes: int = 4) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes)
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def kept(self, password: str) -> str:
        """What to keep of a password."""
        with self._room:
            return self._hasher.hash(_one_form(password))

    def fits(self, kept: str, password: str) -> bool:
        """Whether it is the password; "" as `kept` fits none, and takes as long."""
        nobodys = self._nobodys
        held = kept or nobodys
        with self._room:
            try:
                return self._hasher.verify(held, _one_form(password)) and bool(kept)
            except (VerificationError, InvalidHashError):
                return False

    def outdated(self, kept: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    @cached_property
    def _nobodys(self) -> str:
        return self.kept("nobody has this password")


def _one_form(password: str) -> str:
    """The same password however a keyboard composes its letters (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
