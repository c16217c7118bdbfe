"""The workshop for what Vega draws: run as a process of its own, because the converter takes 290 MB.

python -m noria.drawing.convert bundle   the browser's Vega bundle to stdout
python -m noria.drawing.convert png      a Vega-Lite spec from stdin, a PNG to stdout
python -m noria.drawing.convert svg      a JSON list of Vega-Lite specs from stdin, a JSON list of SVGs to stdout
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from threading import Lock
from typing import Any

from noria.core.errors import Unavailable

PRINTED_WIDTH = 820
TIMEOUT_S = 90.0
ROOM = {"left": 18, "top": 5, "right": 8, "bottom": 5}
"""Pixels around a picture: the font of whoever looks at it may be wider than the one that it was measured with."""
MODULE = "noria.drawing.convert"

_one_at_a_time = Lock()


def bundle_path(home: Path) -> Path:
    """The Vega bundle for browsers, made once per converter version and kept in `home/cache`."""
    path = home / "cache" / f"vega-{installed_version('vl-convert-python')}.js"
    with _one_at_a_time:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(f".{os.getpid()}.draft")
            draft.write_bytes(_run("bundle", b""))
            draft.replace(path)
    return path


def png(spec: dict[str, Any]) -> bytes:
    """Draw a spec (colours already printed) as PNG, in a worker process, one at a time."""
    fixed = {**spec, "width": PRINTED_WIDTH, "background": "white"}
    with _one_at_a_time:
        return _run("png", json.dumps(fixed).encode())


def svgs(specs: Sequence[dict[str, Any]]) -> list[str]:
    """Draw specs of a fixed width as SVG, all in one worker process; colours stay the CSS variables of the page around them."""
    if not specs:
        return []
    with _one_at_a_time:
        return [str(one) for one in json.loads(_run("svg", json.dumps([{"padding": ROOM, **spec} for spec in specs]).encode()))]


def _run(task: str, given: bytes) -> bytes:
    """Raises: Unavailable: the worker failed or took too long."""
    try:
        done = subprocess.run([sys.executable, "-m", MODULE, task], input=given, capture_output=True, timeout=TIMEOUT_S, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        raise Unavailable(f"the chart converter could not make a {task}: {error}", fix="pip install vl-convert-python") from error
    return done.stdout


def _work(task: str) -> bytes:
    import vl_convert

    if task == "png":
        return bytes(vl_convert.vegalite_to_png(sys.stdin.read(), scale=2))
    if task == "svg":
        return json.dumps([vl_convert.vegalite_to_svg(spec) for spec in json.load(sys.stdin)]).encode()
    whole: Any = vl_convert.javascript_bundle  # its stub asks for a snippet that it does not need
    return str(whole()).encode()


if __name__ == "__main__":
    sys.stdout.buffer.write(_work(sys.argv[1]))
