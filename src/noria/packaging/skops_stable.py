"""Makes skops files say the same of the same model: without the addresses that its objects had in memory, and without a clock."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import PurePosixPath
from typing import Any

SCHEMA = "schema.json"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def stable(content: bytes) -> bytes:
    """The same skops file with objects numbered, and members named, in the order in which its schema tells of them.

    skops names objects by their address, which only says which places share one object. Equal models so have equal
    bytes, and a model that is made again can be held against the first by its digest.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as given:
        members = {name: given.read(name) for name in given.namelist()}
    schema = json.loads(members.pop(SCHEMA))
    names: dict[str, str] = {}
    _renumber(schema, {}, names, members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as made:
        for name in sorted(members, key=lambda name: names.get(name, name)):
            made.writestr(_member(names.get(name, name)), members[name])
        made.writestr(_member(SCHEMA), json.dumps(schema, indent=2))
    return out.getvalue()


def _renumber(node: Any, ids: dict[int, int], names: dict[str, str], members: dict[str, bytes]) -> None:
    if isinstance(node, list):
        for one in node:
            _renumber(one, ids, names, members)
    if not isinstance(node, dict):
        return
    if isinstance(node.get("__id__"), int):
        node["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
    if isinstance(node.get("file"), str) and node["file"] in members:
        node["file"] = names.setdefault(node["file"], f"{len(names) + 1:06d}{PurePosixPath(node['file']).suffix}")
    for one in node.values():
        _renumber(one, ids, names, members)


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _LONG_AGO)
    member.external_attr = 0o644 << 16
    return member
