"""`noria sbom`: what a version is made of, for those who must know."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from noria import __version__
from noria.cli.console import Home, console, plainly
from noria.cli.opened import Opened
from noria.core.errors import NotAllowed
from noria.loop.reproducing import taken
from noria.packaging.locks import read_environment
from noria.packaging.sbom import cyclonedx
from noria.stages.registry import versions
from noria.stages.registry.naming import meant


@plainly
def sbom(
    version: Annotated[
        str, typer.Argument(metavar="MODEL[@VERSION|@ALIAS]", help="Which version; the champion when only the model is named.")
    ],
    out: Annotated[Path | None, typer.Option(help="Write it into this file.")] = None,
    home: Home = None,
) -> None:
    """Write a version's bill of materials as CycloneDX 1.6: the model with its marks and data, and what was installed where it was trained.

    [bold]noria sbom late-arrival@3 --out late-arrival-3.cdx.json[/]
    """
    world = Opened(home).world
    found = versions.get(world.records, *meant(world.records, version))
    if not found.candidate.provenance.environment:
        raise NotAllowed(f"{version} was brought: what it was made with is not on record", fix="versions that a loop made have one")
    lock = read_environment(world.blobs.read(found.candidate.provenance.environment))
    datasets = {name: one.digest for name, one in taken(world, found).items()}
    text = json.dumps(cyclonedx(found, lock, datasets, at=world.wall.now(), noria=__version__), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        sys.stdout.write(text)
        return
    out.write_text(text, encoding="utf-8")
    console.print(f"{len(lock.distributions)} distributions and the model are in {escape(str(out))}", soft_wrap=True)
