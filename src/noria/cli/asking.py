"""Ask the data plane: predict and feedback."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from noria.app.certificates import client_context
from noria.app.settings import Settings, find_home, read, token
from noria.app.supervisor import addresses
from noria.cli.console import AsJson, Home, answer, plainly
from noria.core.errors import NoriaError, RequestInvalid, Unavailable


@plainly
def predict(
    loop: Annotated[str, typer.Argument(help="The loop (deployment) to ask.")],
    inputs: Annotated[list[str] | None, typer.Argument(help="field=value …, or one JSON object, or - for JSON on standard input.")] = None,
    request_id: Annotated[str | None, typer.Option("--id", help="The request's id, to tell its outcome by; made when left out.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Ask for one prediction: `noria predict late-arrival carrier=UA origin=EWR …`."""
    body: dict[str, Any] = {"inputs": _inputs(inputs or [])}
    if request_id:
        body["id"] = request_id
    told = _post(read(home or find_home()), f"/predict/{loop}", body)
    label = f" ({told['label']})" if told.get("label") is not None else ""
    answer(told, as_json=as_json, text=f"[bold]{told['prediction']}[/]{label}  [dim]v{told['version']} · id {told['id']}[/]")


@plainly
def feedback(
    loop: Annotated[str, typer.Argument(help="The loop (deployment) that was asked.")],
    request_id: Annotated[str | None, typer.Argument(help="The request's id.")] = None,
    value: Annotated[str | None, typer.Argument(help="What really happened: true, 0, 12.5, a class name …")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Many at once: JSON lines with id, value and, if known, time.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tell the outcome of a request, or of many. The last one told for an id counts."""
    if file is not None:
        outcomes = _outcomes(file)
    elif request_id is not None and value is not None:
        outcomes = [{"id": request_id, "value": _value(value)}]
    else:
        raise RequestInvalid("an outcome needs a request id and a value", fix="noria feedback LOOP ID VALUE, or --file outcomes.jsonl")
    settings = read(home or find_home())
    for start in range(0, len(outcomes), 10_000):
        _post(settings, f"/feedback/{loop}", {"outcomes": outcomes[start : start + 10_000]})
    answer({"told": len(outcomes)}, as_json=as_json, text=f"{len(outcomes):,} outcome{'s' if len(outcomes) != 1 else ''} told")


def _outcomes(file: Path) -> list[Any]:
    """One outcome per line."""
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except ValueError as error:
                raise RequestInvalid(
                    f"{file}, line {number}, is not JSON: {error}", fix='write {"id": …, "value": …} on each line; none was told yet'
                ) from error
    return found


def _inputs(given: list[str]) -> dict[str, Any]:
    text = sys.stdin.read() if given == ["-"] else " ".join(given) if given and given[0].lstrip().startswith("{") else ""
    if text:
        try:
            found = json.loads(text)
        except ValueError as error:
            raise RequestInvalid(f"the inputs are not JSON: {error}", fix="write field=value pairs, or one JSON object") from error
        if not isinstance(found, dict):
            raise RequestInvalid("the inputs are JSON, but no object", fix='write {"field": value, …}')
        return dict(found.get("inputs", found))
    pairs = [pair.partition("=") for pair in given]
    wrong = [name for name, sign, _ in pairs if not sign]
    if wrong:
        raise RequestInvalid(f"{wrong[0]!r} is no field=value pair", fix="write for example distance=1400")
    return {name: _value(value) for name, _, value in pairs}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _post(settings: Settings, path: str, body: dict[str, Any]) -> dict[str, Any]:
    url = addresses(settings)["dataplane"] + path
    headers = {"authorization": f"Bearer {token(settings)}"}
    try:
        told = httpx.post(url, json=body, headers=headers, timeout=30.0, verify=client_context(settings))
    except httpx.HTTPError as error:
        raise Unavailable(f"the data plane does not answer at {url}: {error}", fix="`noria up FILE.py` starts it") from error
    if told.status_code >= 400:
        raise _refused(told)
    return dict(told.json())


def _refused(told: httpx.Response) -> NoriaError:
    try:
        error = told.json()["error"]
    except (ValueError, KeyError):
        return Unavailable(f"the data plane answered {told.status_code}: {told.text[:300]}")
    return RequestInvalid(str(error.get("message", "")), fields=error.get("fields"), fix=error.get("fix"))
