"""How passwords are kept: by a hash that is slow on purpose."""

from __future__ import annotations

from typing import Protocol


class Passwords(Protocol):
    """A slow hash. Thread-safe; takes a tenth of a second and much memory, so never call it on an event loop."""

    def kept(self, password: str) -> str:
        """What to keep of a password: salted, with its own parameters in it."""
        ...

    def fits(self, kept: str, password: str) -> bool:
        """Whether it is the password; "" as `kept` fits none, and takes as long."""
        ...

    def outdated(self, kept: str) -> bool:
        """Whether it was made with parameters that are not today's: keep it anew when it fitted."""
        ...
