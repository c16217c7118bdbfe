"""Noria's HTTP transport alone: with a constant answer, or with the model and nothing around it.

python -m servers.bare constant|model PORT FOLDER
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np
import orjson
import uvloop

from noria.dataplane.exchange import Face, said
from noria.dataplane.guard import Guard
from noria.dataplane.house import House
from noria.dataplane.limits import Load, RequestLimits
from noria.dataplane.listening import listen
from noria.dataplane.ports import listening
from noria.dataplane.router import Router

CONSTANT = b'{"id":"req_01m838y4h8a47wq7nq","version":1,"prediction":0.5768852611320463,"role":"champion","label":"yes"}'


def constant(folder: Path):
    def fast(target, body, shown, give) -> bool:
        give(200, CONSTANT)
        return True

    return fast


def model(folder: Path):
    from noria.core.schema import Field, Kind, Signature, Task
    from noria.packaging.lightgbm_text import LightgbmScorer
    from servers.models import NUMBERS

    fields = tuple(Field(name=name, kind=Kind.FLOAT) for name in NUMBERS)
    scorer = LightgbmScorer((folder / "trees.txt").read_bytes(), Signature(inputs=fields, features=fields, task=Task.BINARY))

    def fast(target, body, shown, give) -> bool:
        asked = orjson.loads(body)
        rows = asked.get("rows", [asked])
        answers = scorer.score(np.array([list(row["inputs"].values()) for row in rows]))
        give(200, orjson.dumps(answers.tolist()))
        return True

    return fast


async def main() -> None:
    what, port, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    limits = RequestLimits()
    face = Face(name="bare", prefixes=("/",), endpoints=(), refusal=lambda error, status: said({}, status))
    house = House(
        Router([face], guard=Guard(), load=Load(limits)), fast={"constant": constant, "model": model}[what](folder), limits=limits
    )
    asyncio.get_running_loop().add_signal_handler(15, house.end)
    await listen(house, listening("127.0.0.1", port, shared=False), drain_s=1.0)


if __name__ == "__main__":
    uvloop.run(main())
