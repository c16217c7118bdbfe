"""Reads locked environments as they were kept, the first Noria's too."""

from __future__ import annotations

from collections.abc import Iterable

from noria.core.environment import VERSION, Distribution, Environment
from noria.core.errors import DataInvalid
from noria.packaging.installed import normalised
from noria.ports import wire


def read_environment(content: bytes) -> Environment:
    """A lock that was written before; the first ones were lines of `name==version`.

    Raises:
        DataInvalid: it is none, or a newer Noria's.
    """
    if content[:1] != b"{":
        return _from_lines(content.decode("utf-8", "replace").splitlines())
    found = wire.load(content, Environment)
    if found.version > VERSION:
        raise DataInvalid(f"the environment has layout {found.version}; this Noria reads up to {VERSION}", fix="upgrade Noria")
    return found


def _from_lines(lines: Iterable[str]) -> Environment:
    notes = {words[1]: words[2] for line in lines if len(words := line.split(None, 2)) == 3 and words[0] == "#"}
    pairs = [line.partition("==") for line in lines if "==" in line and not line.startswith("#")]
    if not pairs and not notes:
        raise DataInvalid("this is no locked environment")
    return Environment(
        version=0,
        python=notes.get("python", ""),
        platform=notes.get("platform", ""),
        distributions=tuple(Distribution(name=normalised(name), version=version) for name, _, version in pairs),
    )
