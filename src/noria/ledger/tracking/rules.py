"""What keys, values and names may be: the limits that tracking clients know (MLflow 3.17's)."""

from __future__ import annotations

import json
import posixpath
import re

from noria.core.errors import RequestInvalid

KEY_LIMIT = 250
PARAM_LIMIT = 6_000
TAG_LIMIT = 8_000
EXPERIMENT_NAME_LIMIT = 500
EXPERIMENT_TAG_LIMIT = 20_000
BATCH_METRICS, BATCH_PARAMS, BATCH_TAGS, BATCH_ALL = 1_000, 100, 100, 1_000

_KEY = re.compile(r"[/\w.\- :]+")
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}")


def check_key(key: str, where: str = "name") -> None:
    """Refuse a name of a metric, parameter or tag that would not make a path.

    Raises:
        RequestInvalid: it has other signs than letters, digits and `_-. :/`, is too long, or is no plain path.
    """
    if not _KEY.fullmatch(key):
        signs = "alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)"
        raise RequestInvalid(f"Invalid value {json.dumps(key)} for parameter '{where}' supplied: Names may only contain {signs}.")
    if key == ".." or key.startswith(("/", "../")) or posixpath.normpath(key) != key or key == ".":
        raise RequestInvalid(
            f"Invalid value {json.dumps(key)} for parameter '{where}' supplied: Names may be treated as files in certain cases, and must "
            f"not resolve to other names when treated as such. This name would resolve to {json.dumps(posixpath.normpath(key))}"
        )
    check_length(key, KEY_LIMIT, where)


def check_length(text: str, limit: int, where: str) -> None:
    """Refuse what is longer than `limit` characters.

    Raises:
        RequestInvalid: it is.
    """
    if len(text) > limit:
        shown = f"{text[:20]}..." if len(text) > 20 else text
        raise RequestInvalid(
            f"'{where}' exceeds the maximum length of {limit} characters: {json.dumps(shown)} supplied for parameter '{where}' has {len(text)}"
        )


def check_run_id(run_id: str) -> None:
    """Refuse what cannot be a run's id.

    Raises:
        RequestInvalid: it is too long, or has other signs.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise RequestInvalid(f"Invalid run ID: {run_id[:300]!r}")


def check_experiment_name(name: str) -> None:
    """Refuse what cannot name an experiment.

    Raises:
        RequestInvalid: it is empty or too long.
    """
    if not name.strip():
        raise RequestInvalid(f"Invalid experiment name: {name!r}")
    if len(name) > EXPERIMENT_NAME_LIMIT:
        raise RequestInvalid(f"'name' exceeds the maximum length of {EXPERIMENT_NAME_LIMIT} characters")
