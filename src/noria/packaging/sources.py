"""Which local source files a Python file needs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from noria.core.errors import DataInvalid


def closure(main: Path, folder: Path) -> set[Path]:
    """`main` and the sources in `folder` that it reaches by import statements.

    Raises:
        DataInvalid: one of them is not Python.
    """
    found, waiting = set[Path](), [main]
    while waiting:
        place = waiting.pop()
        if place in found:
            continue
        found.add(place)
        package = place.relative_to(folder).parent.parts
        for module in _imported(place, package):
            waiting.extend(_sources(module, folder))
    return found


def _imported(place: Path, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Modules that a source names in import statements, absolute, as tuples of their parts."""
    try:
        tree = ast.parse(place.read_bytes(), filename=str(place))
    except SyntaxError as error:
        raise DataInvalid(f"{place.name} is not Python: {error}", fix="mend the file") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = (*above, *(node.module.split(".") if node.module else ()))
            yield module
            yield from ((*module, alias.name) for alias in node.names)


def _sources(module: tuple[str, ...], folder: Path) -> Iterator[Path]:
    """The files of a local module and of the packages around it; none for installed ones."""
    for depth in range(1, len(module) + 1):
        stem = folder.joinpath(*module[:depth])
        for place in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py"):
            if place.is_file():
                yield place
