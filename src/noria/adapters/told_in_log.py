"""Tells people by a line in a file, which `noria up` shows: the channel that needs no account."""

from __future__ import annotations

import json
from pathlib import Path

from noria.ports.clock import Clock


class ToldInLog:
    """Notices as JSON lines. Thread-safe: one short append each."""

    def __init__(self, file: Path, *, clock: Clock) -> None:
        self._file = file
        self._clock = clock

    def tell(self, title: str, text: str, *, severity: str = "info") -> bool:
        """Append the notice; False when the disk does not take it."""
        line = json.dumps({"at": self._clock.now().isoformat(), "severity": severity, "title": title, "text": text}, ensure_ascii=False)
        try:
            with self._file.open("a", encoding="utf-8") as out:
                out.write(line + "\n")
        except OSError:
            return False
        return True
