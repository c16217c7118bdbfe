"""The table of what was brought over from other servers, so that an import goes on where it was."""

from __future__ import annotations

IMPORTS = (
    (
        """CREATE TABLE noria_imported (
            source {text} NOT NULL, kind {text} NOT NULL, id {text} NOT NULL, here {text} NOT NULL, mark {text} NOT NULL,
            PRIMARY KEY (source, kind, id)) {clustered}""",
    ),
)
