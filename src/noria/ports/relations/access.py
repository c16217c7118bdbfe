"""The table of wrong passwords: how many of late per name, address and place, for all processes together."""

from __future__ import annotations

ACCESS = (
    (
        """CREATE TABLE noria_tries (
            key {text} NOT NULL, spent {real} NOT NULL, at {real} NOT NULL, PRIMARY KEY (key)) {clustered}""",
        "CREATE INDEX noria_tries_at ON noria_tries (at)",
    ),
)
