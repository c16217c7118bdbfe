"""Where a version's files may lie: what a client names as a source must belong to the run or model that it names with it."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol
from urllib.parse import unquote, unquote_plus, urlsplit

from noria.core.errors import NotFound, RequestInvalid
from noria.ledger.models.values import PROMPT_SOURCES, RegisteredVersion

MODELS, RUNS, PROXIED = "models", "runs", "mlflow-artifacts"
_PROXY = ("api", "2.0", "mlflow-artifacts", "artifacts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a version comes from.

    Attributes:
        location: Where its files are, with names of runs and models resolved.
    """

    source: str
    location: str = ""
    run: str = ""
    model_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """The folder that a run or a logged model keeps its files in; `run` is the one that logged it."""

    location: str
    run: str = ""


class Origins(Protocol):
    """What sources are held against."""

    def run(self, run: str) -> Root | None:
        """The folder of a run, or None."""
        ...

    def model(self, model_id: str) -> Root | None:
        """The folder of a logged model, or None."""
        ...

    def version(self, reference: str) -> RegisteredVersion:
        """The version that `NAME/3`, `NAME/latest`, `NAME/STAGE` or `NAME@ALIAS` names.

        Raises:
            NotFound: there is none.
        """
        ...


def of_prompt(source: str) -> Source:
    """The source of a prompt's version, which has no files.

    Raises:
        RequestInvalid: it is not one of the two words that clients write there.
    """
    if source not in PROMPT_SOURCES:
        raise RequestInvalid(f"Invalid prompt source: '{source[:500]}'. Prompt sources must use an MLflow placeholder.")
    return Source(source=source, location=source)


def resolved(source: str, origins: Origins, *, run: str | None = None, model_id: str | None = None) -> Source:
    """A source that may be registered, and where its files are.

    Args:
        run, model_id: What the client named beside it; None = nothing.

    Raises:
        RequestInvalid: it is a path of this machine, leads out of its place, or does not belong to what was named.
        NotFound: it names a version that is not there.
    """
    try:
        scheme = urlsplit(source).scheme.lower()
    except ValueError as error:
        raise RequestInvalid(f"Invalid model version source: '{source[:500]}' is no address: {error}") from None
    if scheme == MODELS and not is_logged(source):
        return _copied(source, origins, run=run, model_id=model_id)
    given = Source(source=source, run=run or "", model_id=model_id or "")
    if scheme in ("", "file"):
        return _local(given, origins)
    _check_relative(source)
    if scheme == MODELS:
        return _of_logged(given, origins)
    if scheme == RUNS:
        return _of_run(given, origins)
    return _elsewhere(given, origins)


def is_logged(source: str) -> bool:
    """Whether a `models:/` source names a logged model by its id, instead of a registered version."""
    rest = source.split(":", 1)[1].strip("/")
    return "@" not in rest and "/" not in rest and bool(rest)


def within(place: str, root: str) -> bool:
    """Whether a place is a folder, or lies within it, however either is written."""
    one, other = _parts(place), _parts(root)
    return one[:2] == other[:2] and bool(other[2]) and one[2][: len(other[2])] == other[2]


def _copied(source: str, origins: Origins, *, run: str | None, model_id: str | None) -> Source:
    """A version of another registered model: the copy has the files of the first."""
    _same_registry(source)
    found = origins.version(source.split(":", 1)[1].strip("/"))
    if found.source in PROMPT_SOURCES:
        raise RequestInvalid(f"Invalid model version source: '{source}'. Prompt versions cannot be used as model version sources.")
    if (run is not None and run != found.run) or (model_id is not None and model_id != found.model_id):
        raise RequestInvalid(
            f"Invalid model version source: '{source}'. The run_id and model_id request parameters must match the referenced model version."
        )
    return Source(source=f"models:/{found.name}/{found.number}", location=found.location, run=found.run, model_id=found.model_id)


def _of_logged(given: Source, origins: Origins) -> Source:
    _same_registry(given.source)
    id = given.source.split(":", 1)[1].strip("/")
    root = origins.model(id)
    if given.model_id and given.model_id != id:
        _refuse(given.source, "model_id")
    if root is None:
        raise NotFound(f"Unable to fetch model from model URI source artifact location '{given.source}'. There is no logged model {id!r}.")
    if not given.model_id:
        _refuse(given.source, "model_id")
    return replace(given, location=root.location, run=given.run or root.run)


def _of_run(given: Source, origins: Origins) -> Source:
    if given.model_id:
        _refuse(given.source, "model_id")
    named = urlsplit(given.source)
    run, _, path = named.path.strip("/").partition("/")
    root = origins.run(run) if run and run == given.run and not named.netloc else None
    if root is None:
        _refuse(given.source, "run_id")
    return replace(given, location=posixpath.join(root.location, path) if path else root.location)


def _local(given: Source, origins: Origins) -> Source:
    """A folder of the server's own machine, which only what was written there by a run or a model may name."""
    root = _root(given, origins)
    path, home = (_path(given.source), _path(root.location)) if root and urlsplit(root.location).scheme in ("", "file") else ("", "/")
    if not path or posixpath.commonpath([posixpath.normpath(path), home]) != home or ".." in path.split("/"):
        of = "model_id" if given.model_id else "run_id"
        raise RequestInvalid(
            f"Invalid model version source: '{given.source[:500]}'. To use a local path as a model version source, the {of} request "
            f"parameter has to be specified and the local path has to be contained within the artifact directory of the "
            f"{'model' if given.model_id else 'run'} specified by the {of}."
        )
    return _with_run(replace(given, location=given.source), root)


def _elsewhere(given: Source, origins: Origins) -> Source:
    """Another store: its own address is what it is, but what lies behind our proxy must belong to what was named."""
    root = _root(given, origins)
    scheme, _, parts = _parts(given.source)
    proxied = scheme == PROXIED or (
        scheme in ("http", "https") and any(parts[at : at + len(_PROXY)] == _PROXY for at in range(len(parts) - len(_PROXY) + 1))
    )
    if proxied and (root is None or not within(given.source, root.location)):
        _refuse(given.source, "model_id" if given.model_id else "run_id")
    return _with_run(replace(given, location=given.source), root)


def _with_run(given: Source, root: Root | None) -> Source:
    return replace(given, run=root.run) if root is not None and given.model_id and not given.run else given


def _root(given: Source, origins: Origins) -> Root | None:
    if given.model_id:
        return origins.model(given.model_id)
    return origins.run(given.run) if given.run else None


def _same_registry(source: str) -> None:
    if urlsplit(source).netloc:
        raise RequestInvalid(f"Invalid model version source: '{source}'. Registered model sources must use the active model registry.")


def _refuse(source: str, parameter: str) -> NoReturn:
    raise RequestInvalid(
        f"Invalid model version source: '{source[:500]}'. The {parameter} request parameter must identify the resource that contains the source."
    )


def _check_relative(source: str) -> None:
    """Refuse paths that lead elsewhere, however often they are encoded."""
    plain = source
    while (once := unquote_plus(plain)) != plain:
        plain = once
    path = urlsplit(plain).path.rstrip("/")
    while "//" in path:
        path = path.replace("//", "/")
    if "\0" in plain or ".." in plain.split("/") or (path.startswith("/") and posixpath.normpath(path) != path):
        raise RequestInvalid(
            f"Invalid model version source: '{source[:500]}'. If supplying a source as an http, https, local file path, ftp, objectstore, "
            "or mlflow-artifacts uri, an absolute path must be provided without relative path references present. "
            "Please provide an absolute path."
        )


def _parts(place: str) -> tuple[str, str, tuple[str, ...]]:
    told = urlsplit(place)
    return told.scheme.lower(), told.netloc.lower(), tuple(_unquoted(part) for part in told.path.split("/") if part)


def _unquoted(part: str) -> str:
    while (once := unquote(part)) != part:
        part = once
    return part


def _path(place: str) -> str:
    return unquote(urlsplit(place).path) if place.startswith("file:") else place
