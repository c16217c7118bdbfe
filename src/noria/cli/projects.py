"""Projects: list, add and remove them."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from noria.cli.console import AsJson, By, Home, answer, plainly
from noria.cli.opened import Opened
from noria.core.errors import SettingsInvalid
from noria.ledger.projects import Projects

ACTIONS = ("list", "add", "remove")


@plainly
def projects(
    action: Annotated[str, typer.Argument(help="list, add or remove.")] = "list",
    name: Annotated[str | None, typer.Argument(help="The project.")] = None,
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    home: Home = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Keep teams apart: each project has its own experiments, runs, models, files and traces.

    [bold]noria projects add lab[/], then [bold]noria users grant ada --role contributor --project lab[/]

    MLflow's clients call it a workspace: `mlflow.set_workspace("lab")`. One that still holds something is not removed.
    """
    if action not in ACTIONS:
        raise SettingsInvalid(f"projects cannot {action!r}", fix=f"write one of {', '.join(ACTIONS)}")
    world = Opened(home).world
    if world.store is None:
        raise SettingsInvalid("this home keeps no tables, and so no projects", fix="name a database in `database`, or leave it out")
    verbs = Projects(world.store, world.ledger, world.wall)
    if action == "list":
        found = verbs.all()
        text = "\n".join(f"[bold]{escape(one.name)}[/]  {escape(one.description)}".rstrip() for one in found)
        answer({"projects": found}, as_json=as_json, text=text)
        return
    if name is None:
        raise SettingsInvalid(f"what to {action}?", fix=f"noria projects {action} NAME")
    if action == "add":
        made = verbs.add(name, description=description, by=by)
        text = f"[bold]{escape(made.name)}[/] is a project · let people in with `noria users grant NAME --role ROLE --project {escape(made.name)}`"
        answer(made, as_json=as_json, text=text)
        return
    gone = verbs.remove(name, by=by)
    answer(gone, as_json=as_json, text=f"[bold]{escape(gone.name)}[/] is no project any more")
