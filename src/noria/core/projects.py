"""A project: what keeps teams apart. MLflow calls it a workspace."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from noria.core.errors import RequestInvalid

RESERVED = frozenset({"workspaces", "api", "ajax-api", "static-files"})
"""Names that no project has, as in MLflow."""

SHORTEST, LONGEST = 2, 63
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project.

    Attributes:
        made_at: None = it was there before projects were made by name.
    """

    name: str
    description: str = ""
    made_at: datetime | None = None
    by: str = ""
    removed_at: datetime | None = None


def check_name(name: str) -> None:
    """Refuse what can be no project's name.

    Raises:
        RequestInvalid: it cannot.
    """
    if not SHORTEST <= len(name) <= LONGEST or not _NAME.fullmatch(name) or name in RESERVED:
        told = "must be 2 to 63 of a-z, 0-9 and '-', with no '-' at either end, and none of " + ", ".join(sorted(RESERVED))
        raise RequestInvalid(f"Workspace name {name[:80]!r} {told}", fields={"name": told})
