"""Take a version out as a folder that answers by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from noria.app.exporting import Exported
from noria.app.exporting import export as take_out
from noria.app.kubernetes import MANIFEST, Cluster
from noria.app.kubernetes import replicas as bounds
from noria.cli.console import AsJson, By, Home, answer, console, plainly
from noria.cli.opened import Opened


@plainly
def export(
    wanted: Annotated[
        str, typer.Argument(metavar="NAME[@ALIAS|@VERSION]", help="Which version; the champion when only the name is given.")
    ],
    folder: Annotated[Path, typer.Argument(help="Folder to write into: a new one, or an empty one.")],
    kubernetes: Annotated[
        str, typer.Option("--kubernetes", metavar="IMAGE", help="Write the objects of a cluster beside it, for the image of this name.")
    ] = "",
    replicas: Annotated[str, typer.Option("--replicas", help="In the cluster: at least and at most so many, by the load.")] = "2-10",
    home: Home = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Take a version out as a folder that answers by itself, without control plane, records or network.

    [bold]noria export late-arrival@champion late-arrival-image[/]

    In it are the routing plan, the model, the code of its features, their newest values, settings, requirements.txt, a Dockerfile and the program `serve`. Try it with [bold]noria serve FOLDER[/]; as a container (`docker build FOLDER`) it runs on SageMaker and Vertex AI as it is. Keys of the deployment go along, as hashes. With --kubernetes it holds a Deployment with probes, a Service and an autoscaler too.
    """
    low, high = bounds(replicas)
    cluster = Cluster(image=kubernetes, low=low, high=high) if kubernetes else None
    opened = Opened(home)
    if as_json:
        exported = take_out(opened.world, opened.settings, wanted, folder, by=by, cluster=cluster)
    else:
        with console.status("reading") as status:
            exported = take_out(opened.world, opened.settings, wanted, folder, by=by, cluster=cluster, told=status.update)
    answer(exported, as_json=as_json, text=_told(exported))


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:,.0f} kB"


def _told(exported: Exported) -> str:
    where = escape(exported.folder)
    lines = [
        f"[bold]{escape(exported.deployment)}[/] v{exported.version} is in [bold]{where}[/], {_size(exported.size_bytes)}",
        f"try it: `noria serve {where}` · as a container: `docker build -t {escape(exported.deployment)} {where}`",
    ]
    if (Path(exported.folder) / MANIFEST).exists():
        lines.append(f"in a cluster: the first lines of {where}/{MANIFEST} say how")
    if exported.online_rows:
        lines.append(
            f"[yellow]{exported.online_rows:,} values of feature views went along as they are now[/]; "
            "there they become no newer, and count as missing from their ttl on: export again, or keep its online.lmdb fresh"
        )
    if exported.keys is not None:
        lines.append(f"{exported.keys} of its keys open it, none made or revoked later")
    return "\n".join(lines)
