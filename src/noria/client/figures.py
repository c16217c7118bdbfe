"""A figure as the bytes of a file, whichever library drew it; the library itself does the drawing."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import Any


def drawn(figure: Any, name: str) -> bytes:
    """The figure in the format that the name ends in.

    Raises:
        TypeError: it is no figure that can be drawn as such a file.
    """
    kind = PurePosixPath(name).suffix.lstrip(".").lower() or "png"
    figure = (
        getattr(figure, "figure", figure)
        if not hasattr(figure, "savefig") and hasattr(getattr(figure, "figure", None), "savefig")
        else figure
    )
    if hasattr(figure, "savefig"):
        out = io.BytesIO()
        figure.savefig(out, format=kind)
        return out.getvalue()
    if kind in ("html", "json") and hasattr(figure, f"to_{kind}"):
        return str(getattr(figure, f"to_{kind}")()).encode()
    if hasattr(figure, "to_image"):
        return bytes(figure.to_image(format=kind))
    if hasattr(figure, "save"):
        out = io.BytesIO()
        figure.save(out, format=kind)
        return out.getvalue()
    raise TypeError(f"a {type(figure).__name__} cannot be drawn as {kind}")
