"""Deployments without a loop: bring a model, list what answers, take it away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from noria.app.processes import pid_of
from noria.app.settings import find_home, read
from noria.app.supervisor import addresses, alive
from noria.cli.console import AsJson, Because, By, Home, answer, console, plainly
from noria.cli.opened import Opened
from noria.core.errors import RequestInvalid
from noria.core.graphs import WITHIN_MS, Ensemble
from noria.core.registry import Deployment

SHOWN = 50


@plainly
def deploy(
    name: Annotated[str, typer.Argument(help="The deployment's name; an endpoint of that name answers.")],
    model: Annotated[
        str,
        typer.Argument(
            help="A model file (LightGBM, XGBoost, CatBoost, ONNX, skops), an MLflow folder, file.py:Class, a version: late-arrival@3, "
            "what MLflow's clients logged here: models:/churn@champion, runs:/ID/model, "
            "or a graph.py that declares an nr.Ensemble, nr.Chain or nr.Switch."
        ),
    ] = "",
    signature: Annotated[Path | None, typer.Option("--signature", help="JSON: what the model takes and gives.")] = None,
    example: Annotated[Path | None, typer.Option("--example", help="Rows as callers will send them: Parquet, CSV or JSON.")] = None,
    answers: Annotated[str, typer.Option("--answers", help="Column of the example with what the model answered where it was made.")] = "",
    trust: Annotated[bool, typer.Option("--trust", help="Let code that the model brings run, in processes of its own.")] = False,
    files: Annotated[Path | None, typer.Option("--files", help="A folder that is kept with a Python class.")] = None,
    family: Annotated[
        Path | None, typer.Option("--family", help="Folder with a model per partition (shop-7.txt …); MODEL answers where there is none.")
    ] = None,
    by_field: Annotated[str, typer.Option("--by-field", help="Of a family: the request field that names the partition.")] = "",
    ensemble: Annotated[
        str, typer.Option("--ensemble", help="Instead of a model: deployments whose weighted mean answers, such as a=0.7,b=0.3.")
    ] = "",
    missing: Annotated[str, typer.Option("--missing", help='Of an ensemble: "rest" lets the others answer where one fails.')] = "",
    within_ms: Annotated[float, typer.Option("--within-ms", help="Of an ensemble: each member has this long.")] = WITHIN_MS,
    fallback: Annotated[str, typer.Option("--fallback", help="Of an ensemble: the deployment that answers alone when it fails.")] = "",
    canary: Annotated[
        str,
        typer.Option(
            "--canary", help="Percent of requests that it answers first: 10 waits for `noria promote`; 10,50,100 goes up by itself."
        ),
    ] = "",
    pin: Annotated[bool | None, typer.Option("--pin/--no-pin", help="Whether the model stays loaded, however many there are.")] = None,
    home: Home = None,
    by: By = "",
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Let a model file answer: audited, checked on the example rows, registered as the next version, live. No loop is needed.

    Deploying again under the same name makes the next version and swaps it while requests go on; `noria rollback NAME` goes back.
    With --ensemble, or a file that declares a graph, deployments that are there answer together: each through its own route.
    """
    from noria.app.deploying import deploy as put

    if bool(model) == bool(ensemble):
        raise RequestInvalid("a deployment is a model or an ensemble", fix="give the model's file, or --ensemble a=0.7,b=0.3")
    made = put(
        name,
        model or ensemble_of(ensemble, missing=missing, within_ms=within_ms, fallback=fallback),
        example=example,
        signature=signature,
        answers=answers,
        trust=trust,
        files=files,
        family=family,
        by_field=by_field,
        canary=_percents(canary),
        pin=pin,
        home=home,
        by=by,
        reason=because,
    )
    settings = read(home or find_home())
    where = addresses(settings)["dataplane"]
    runs = pid_of(settings.folder, "dataplane") is not None and alive(where)
    then = f"ask {where}/predict/{name}" if runs else "`noria up` starts the servers"
    begun = f"the new version answers {canary.partition(',')[0]} % · `noria status` says how it does · " if canary else ""
    answer(made, as_json=as_json, text=f"[bold]{name}[/]: v{made.version} ({made.format}, {made.task}) answers · {begun}{then}")


def _percents(written: str) -> list[float]:
    try:
        return [float(one) for one in written.split(",")] if written else []
    except ValueError:
        raise RequestInvalid(f"{written[:100]!r} are no percentages", fix="write --canary 10, or --canary 10,50,100") from None


def ensemble_of(written: str, *, missing: str, within_ms: float, fallback: str) -> Ensemble:
    """The ensemble that is written as `a=0.7,b=0.3`; a weight that is left out is 1.

    Raises:
        RequestInvalid: it is written in another way.
    """
    weights: dict[str, float] = {}
    for part in written.split(","):
        member, _, weight = part.partition("=")
        try:
            weights[member.strip()] = float(weight) if weight else 1.0
        except ValueError:
            raise RequestInvalid(f"{weight[:100]!r} is no weight", fix="write --ensemble a=0.7,b=0.3") from None
    if missing not in ("", "rest"):
        raise RequestInvalid(f"{missing[:100]!r} is no rule for a member that fails", fix="write --missing rest, or leave it out")
    return Ensemble(weights=weights, missing="rest" if missing else "", within_ms=within_ms, fallback=fallback)


@plainly
def undeploy(
    name: Annotated[str, typer.Argument(help="The deployment to take away.")],
    home: Home = None,
    by: By = "",
    because: Because = "ordered by hand",
    as_json: AsJson = False,
) -> None:
    """Take a deployment away. Its versions and its log stay; `noria deploy` or `noria rollback` brings it back."""
    gone = Opened(home).verbs.deployments.undeploy(name, by=by, reason=because)
    answer(gone, as_json=as_json, text=f"[bold]{name}[/] answers no more")


@plainly
def deployments(
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=100_000)] = SHOWN,
    after: Annotated[str, typer.Option(help="Those whose names come after this one.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List deployments without a loop: which version answers, where it came from, who brought it."""
    found = Opened(home).world.documents.find(Deployment, limit=limit, after=after)
    if as_json:
        answer(found, as_json=True)
        return
    if not found:
        console.print("no deployment yet · make one with `noria deploy NAME MODEL`")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("name", "version", "task", "from", "by", "since"):
        table.add_column(column)
    for one in found:
        version = f"v{one.version}" if one.version else "[dim]taken away[/]"
        table.add_row(f"[bold]{one.name}[/]", version, one.task, escape(one.origin), escape(one.by), f"{one.deployed_at:%Y-%m-%d %H:%M}")
    console.print(table)
    if len(found) == limit:
        console.print(f"[dim]more: --after {found[-1].name}[/]")
