"""Loads the loops of a Python file, from where the user keeps it or from a code snapshot."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from noria.core.declaration.dataset import Columns, Dataset
from noria.core.declaration.features import Feature, FeatureView
from noria.core.declaration.loop import Loop
from noria.core.errors import DeclarationInvalid, NotFound
from noria.core.graphs import Chain, Ensemble, Graph, Switch


def load(file: Path) -> list[Loop]:
    """All loops that a file declares, in order of their names.

    Raises:
        NotFound: there is no such file.
        DeclarationInvalid: the file does not run, or declares no loop.
    """
    if not file.is_file():
        raise NotFound(f"no loop file at {file.resolve()}", fix="`noria init` writes one to start from")
    module = _run(file.resolve())
    loops = {id(value): value for value in vars(module).values() if isinstance(value, Loop)}
    if not loops:
        raise DeclarationInvalid([f'{file.name} declares no loop → write `loop = nr.Loop("my-model", …)`'])
    return sorted(loops.values(), key=lambda loop: loop.name)


def graph(file: Path, name: str) -> Graph:
    """The graph that a file declares; of several the one whose variable is called like the deployment.

    Raises:
        NotFound: there is no such file.
        DeclarationInvalid: the file does not run, declares no graph, or several that are called otherwise.
    """
    if not file.is_file():
        raise NotFound(f"there is no file {file.resolve()}", fix="name a file, absolute or seen from the current folder")
    found = {called: value for called, value in vars(_run(file.resolve())).items() if isinstance(value, Ensemble | Chain | Switch)}
    wanted = found.get(name.replace("-", "_"))
    if wanted is not None or len(found) == 1:
        return wanted if wanted is not None else next(iter(found.values()))
    if not found:
        raise DeclarationInvalid([f"{file.name} declares no graph → write `{name.replace('-', '_')} = nr.Ensemble(weights={{…}})`"])
    called = ", ".join(sorted(found))
    raise DeclarationInvalid([f"{file.name} declares {called} → call the one that is {name} `{name.replace('-', '_')}`"])


def named(loops: list[Loop], name: str) -> Loop:
    """The loop of that name.

    Raises:
        NotFound: the file does not declare it (any more).
    """
    for loop in loops:
        if loop.name == name:
            return loop
    raise NotFound(f"no loop {name!r} in this file; it declares {', '.join(loop.name for loop in loops)}")


def views(loop: Loop) -> list[FeatureView]:
    """The feature views among a loop's features."""
    return [feature for feature in loop.features if isinstance(feature, FeatureView)]


def scoped(loop: Loop, code: str) -> list[Feature]:
    """The loop's features with its views named for the online store: by loop and code.

    So a version that was made by older code goes on reading what that code computes, and two loops
    may call their views alike.
    """
    place = f"{loop.name}/{code.removeprefix('sha256:')[:12]}"
    return [replace(f, name=f"{place}/{f.name}") if isinstance(f, FeatureView) else f for f in loop.features]


def datasets(loop: Loop) -> dict[str, Dataset]:
    """Every dataset that a loop reads, by name: the label's first."""
    found = {loop.label.columns.dataset.name: loop.label.columns.dataset}
    for feature in loop.features:
        if isinstance(feature, (Columns, FeatureView)):
            found.setdefault(feature.dataset.name, feature.dataset)
    return found


def anchored(dataset: Dataset, folder: Path) -> Dataset:
    """The dataset with its path made absolute, seen from the loop file's folder."""
    source = dataset.source
    if isinstance(source, (str, Path)) and not Path(source).is_absolute() and "://" not in str(source):
        return replace(dataset, source=str(folder / source))
    return dataset


def _run(file: Path) -> ModuleType:
    name = "noria_loop_" + hashlib.sha256(str(file).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = set(sys.modules)
    sys.path.insert(0, str(file.parent))
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        sys.modules.pop(name, None)
        if isinstance(error, DeclarationInvalid):
            raise
        where = "".join(traceback.format_exception(error, limit=-3)).strip()
        raise DeclarationInvalid([f"{file.name} does not run: {type(error).__name__}: {error}\n{where}"]) from error
    finally:
        sys.path.remove(str(file.parent))
        _forget_siblings(file.parent, before)
    return module


def _forget_siblings(folder: Path, before: set[str]) -> None:
    """Two snapshots may hold different modules of one name; neither may see the other's."""
    for name in set(sys.modules) - before:
        where = getattr(sys.modules[name], "__file__", None)
        if where and not name.startswith("noria_loop_") and Path(where).is_relative_to(folder) and "site-packages" not in where:
            del sys.modules[name]
