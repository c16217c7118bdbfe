"""The sheet that every document is printed on: templates, their filters, and the look."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from noria.drawing import svg
from noria.drawing.words import FILTERS

ROOM = Path(__file__).parent / "templates"


@cache
def templates() -> Environment:
    """The documents' templates; everything is escaped, and a missing value is an error."""
    environment = Environment(
        loader=FileSystemLoader(ROOM), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(FILTERS)
    environment.globals.update(svg=svg, look=Markup((ROOM / "document.css").read_text(encoding="utf-8")))
    return environment


def whole(template: str, **values: Any) -> str:
    """A standalone page: it needs no other file and makes no request."""
    return templates().get_template("document.html").render(body=template, fragment=False, **values)


def fragment(template: str, **values: Any) -> str:
    """The same without the page around it, for a notebook's output."""
    return templates().get_template("document.html").render(body=template, fragment=True, **values)


def cell(text: object, most: int = 80) -> str:
    """A user's text inside a Markdown table: on one line, bounded, with nothing that Markdown or HTML would read."""
    said = " ".join(str(text).split())
    said = said if len(said) <= most else f"{said[: most - 1]}…"
    for sign in "\\`*_[]|~":
        said = said.replace(sign, f"\\{sign}")
    return said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
