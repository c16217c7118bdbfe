"""What a spool holds: one JSON object for each thing that a run was told, the same text that the server takes.

    {"at": MS, "start": {"name", "experiment", "project", "parent", "resume"}}
    {"at": MS, "log": {"loss": 0.5}, "step": 3}
    {"at": MS, "params": {"lr": "0.1"}}
    {"at": MS, "tags": {"team": "search"}}
    {"at": MS, "end": "FINISHED" | "FAILED" | "KILLED"}
    {"at": MS, "died": {}}

`died` is told by whoever finds that the run's process is gone: KILLED, unless the run has an end. `at` is milliseconds since 1970. A value of `log` is a number, or "NaN", "Infinity", "-Infinity".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Entry = dict[str, Any]

FINISHED, FAILED, KILLED = "FINISHED", "FAILED", "KILLED"

_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str).encode
_quoted: dict[str, str] = {}
_QUOTED_LIMIT = 10_000


def entry(at_ms: int, kind: str, content: Any) -> bytes:
    """One thing that was told."""
    return f'{{"at":{at_ms},"{kind}":{_compact(content)}}}'.encode("utf-8", "replace")


def points(at_ms: int, step: int, values: Mapping[str, Any]) -> bytes:
    """Values of metrics at one step. The hot path: a third of what the general writer costs.

    Raises:
        TypeError, ValueError: a value is no number, or the step no whole one.
    """
    told = ",".join(
        [
            f"{_quoted.get(key) or _quote(key)}:{_number(value if type(value) is float else as_float(value))}"
            for key, value in values.items()
        ]
    )
    return f'{{"at":{at_ms},"log":{{{told}}},"step":{step:d}}}'.encode("utf-8", "replace")


def as_float(value: Any) -> float:
    """The number that a value stands for; a tensor's own way is asked first, which minds no gradients.

    Raises:
        TypeError, ValueError: it stands for none.
    """
    return float(value.item() if hasattr(value, "item") else value)


def _number(value: float) -> str:
    if value - value == 0.0:
        return repr(value)
    return '"NaN"' if value != value else '"Infinity"' if value > 0 else '"-Infinity"'


def _quote(key: str) -> str:
    quoted = json.dumps(key, ensure_ascii=False)
    if len(_quoted) < _QUOTED_LIMIT:
        _quoted[key] = quoted
    return quoted
