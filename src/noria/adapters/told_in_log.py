"""Tells people by a line in a file, which `noria up` shows: the channel that needs no account."""

from __future__ import annotations

import json
from pathlib import Path

from noria.core.notices import Notice, Told
from noria.ports.clock import Clock


class ToldInLog:
    """Notices as JSON lines. Thread-safe: one short append each."""

    def __init__(self, file: Path, *, clock: Clock) -> None:
        self._file = file
        self._clock = clock

    def tell(self, notice: Notice) -> Told:
        """Append the notice; see `noria.ports.notify.Notify`."""
        said = {
            "at": self._clock.now().isoformat(),
            "id": notice.id,
            "loop": notice.loop,
            "severity": notice.severity,
            "title": notice.title,
            "text": notice.text,
        }
        try:
            with self._file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(said, ensure_ascii=False) + "\n")
        except OSError as error:
            return Told(arrived=False, said=f"{self._file.name}: {error.strerror or error}")
        return Told(arrived=True, said="written down")
