"""A Python model on disk: its sources and its files in one archive, whose digest names both. Nothing here runs it."""

from __future__ import annotations

import ast
import inspect
import io
import json
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from noria.core.errors import ArtifactRejected, NotFound
from noria.core.trusting import Trusted
from noria.packaging.audit import UNPACKED_LIMIT
from noria.packaging.sources import closure

FORMAT = "python"
VERSION = 1
CARD, CODE, FILES = "PYTHON.json", "code", "files"
CLASS, MLFLOW = "class", "mlflow"

_LONG_AGO = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonModel:
    """A Python model that somebody trusts, ready to be kept.

    Attributes:
        content: The archive.
        kind: CLASS, or MLFLOW: a folder that MLflow opens.
    """

    content: bytes
    kind: str = CLASS


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What an archive says about itself.

    Attributes:
        module: Dotted name of the module under `code`; "" for MLflow's folders.
        name: The class in it.
    """

    version: int
    kind: str
    module: str = ""
    name: str = ""


def of_trusted(told: Trusted) -> PythonModel:
    """A class, or an object with what its `save` writes, with the local sources that it needs.

    Raises:
        ArtifactRejected: it has no `predict`, no source file, or state that it cannot save.
    """
    kind = told.model if isinstance(told.model, type) else type(told.model)
    if not callable(getattr(kind, "predict", None)):
        raise ArtifactRejected(f"{kind.__qualname__} has no method `predict`", fix="give it predict(self, columns)")
    if "<locals>" in kind.__qualname__:
        raise ArtifactRejected(f"{kind.__qualname__} is made inside a function", fix="define the class at the top of a module")
    try:
        main = Path(inspect.getsourcefile(kind) or "").resolve(strict=True)
    except (TypeError, OSError) as error:
        raise ArtifactRejected(f"{kind.__qualname__} has no source file", fix="define the class in a file") from error
    module = _module(kind.__module__, main)
    root = main.parents[module.count(".")]
    with tempfile.TemporaryDirectory(prefix="noria-") as name:
        state = Path(name)
        if told.files is not None:
            shutil.copytree(_folder(told.files), state, dirs_exist_ok=True)
        if not isinstance(told.model, type):
            _save(told.model, state)
        return PythonModel(content=archive(module, kind.__qualname__, main, root, state))


def of_source(main: Path, name: str, *, module: str = "", files: str | Path | None = None) -> PythonModel:
    """A class of a source file; the file is not run.

    Raises:
        NotFound: there is no such file or folder.
        ArtifactRejected: the file defines no class of that name.
    """
    if not main.is_file():
        raise NotFound(f"there is no file {main}", fix="name the class as path/to/file.py:Class, or as module:Class seen from here")
    main, module = main.resolve(), module or main.stem
    try:
        defined = {node.name for node in ast.parse(main.read_bytes()).body if isinstance(node, ast.ClassDef)}
    except SyntaxError as error:
        raise ArtifactRejected(f"{main.name} is not Python: {error}", fix="mend the file") from error
    if name not in defined:
        raise ArtifactRejected(f"{main.name} defines no class {name!r}; it defines {', '.join(sorted(defined))[:200] or 'none'}")
    root = main.parents[module.count(".")]
    return PythonModel(content=archive(module, name, main, root, _folder(files) if files is not None else None))


def of_mlflow(folder: Path) -> PythonModel:
    """The whole folder of an MLflow model, for MLflow to open."""
    return PythonModel(content=_zipped(Card(version=VERSION, kind=MLFLOW), {}, folder), kind=MLFLOW)


def archive(module: str, name: str, main: Path, root: Path, files: Path | None) -> bytes:
    """One archive of a class: the same sources and files give the same bytes."""
    sources = {place.relative_to(root).as_posix(): place for place in closure(main, root)}
    return _zipped(Card(version=VERSION, kind=CLASS, module=module, name=name), sources, files)


def unfold(content: bytes, into: Path) -> Card:
    """Put an archive's files into a folder.

    Raises:
        ArtifactRejected: it is damaged, too large, of a newer Noria, or names a place outside the folder.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as held:
            told = json.loads(held.read(CARD))
            if told["version"] > VERSION:
                raise ArtifactRejected(
                    f"the Python model has layout {told['version']}; this Noria reads up to {VERSION}", fix="upgrade Noria"
                )
            members = [member for member in held.infolist() if member.filename != CARD]
            if sum(member.file_size for member in members) > UNPACKED_LIMIT:
                raise ArtifactRejected(f"the archive unfolds to more than {UNPACKED_LIMIT >> 30} GiB")
            for member in members:
                _inside(member.filename)
                place = into / member.filename
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(held.read(member))
            return Card(**told)
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise ArtifactRejected(f"the Python model's archive is damaged: {error}", fix="deploy it again") from error


def _module(name: str, main: Path) -> str:
    """The module's name seen from the folder that its imports start from; a loop's file, or a script, is called by its stem."""
    parts = name.split(".")
    return name if list(main.with_suffix("").parts[-len(parts) :]) == parts else main.stem


def _save(model: Any, folder: Path) -> None:
    if callable(getattr(model, "save", None)) and callable(getattr(type(model), "load", None)):
        model.save(folder)
    elif getattr(model, "__dict__", None):
        raise ArtifactRejected(
            f"{type(model).__name__} has state ({', '.join(vars(model))[:200]}) that only pickle could keep",
            fix="give it save(self, folder) and a class method load(cls, folder)",
        )


def _folder(files: str | Path) -> Path:
    folder = Path(files).expanduser().resolve()
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}")
    return folder


def _zipped(card: Card, sources: dict[str, Path], files: Path | None) -> bytes:
    kept = {f"{CODE}/{name}": place for name, place in sources.items()}
    if files is not None:
        kept |= {f"{FILES}/{place.relative_to(files).as_posix()}": place for place in files.rglob("*") if _kept(place)}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as out:
        told = {"version": card.version, "kind": card.kind, "module": card.module, "name": card.name}
        out.writestr(_member(CARD), json.dumps(told))
        for name in sorted(kept):
            out.writestr(_member(name), kept[name].read_bytes())
    return content.getvalue()


def _kept(place: Path) -> bool:
    return place.is_file() and not place.is_symlink() and "__pycache__" not in place.parts


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _LONG_AGO)
    member.external_attr = 0o644 << 16
    return member


def _inside(name: str) -> None:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in name:
        raise ArtifactRejected(f"the archive names a place outside its folder: {name[:100]!r}")
