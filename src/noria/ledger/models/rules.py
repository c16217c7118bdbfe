"""What names, tags, aliases and stages may be: MLflow's own limits, in the words that its clients know."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping

from noria.core.errors import RequestInvalid
from noria.ledger.models.values import PROMPT_TEXT, Stage

TAG_KEY_LIMIT, TAG_VALUE_LIMIT, ALIAS_LIMIT = 250, 100_000, 255
NAME_LIMIT = 256
"""Characters of a model's name."""

_KEY = re.compile(r"[/\w.\- :]*")
_ALIAS = re.compile(r"[\w\-]*")
_NUMBERED = re.compile(r"[vV]\d+")
_STAGES = {stage.lower(): stage for stage in Stage}


def check_name(name: str, parameter: str = "name") -> str:
    """The name of a model or a prompt, if it can be one.

    Raises:
        RequestInvalid: it is empty, too long, or would be another place as a path.
    """
    if not name.strip():
        raise RequestInvalid(f"Missing value for required parameter '{parameter}'.")
    if "/" in name or ":" in name:
        raise RequestInvalid(f"Invalid model name '{_short(name)}'. Names cannot contain '/' or ':'.")
    if len(name) > NAME_LIMIT:
        raise RequestInvalid(f"'{parameter}' exceeds the maximum length of {NAME_LIMIT} characters")
    _check_path(name, parameter)
    return name


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse tags that cannot be kept.

    Raises:
        RequestInvalid: a key is misformed, or something is too long.
    """
    for key, value in tags.items():
        check_key(key)
        if len(value) > TAG_VALUE_LIMIT:
            said = "Prompt text exceeds max length of" if key == PROMPT_TEXT else "'value' exceeds the maximum length of"
            raise RequestInvalid(f"{said} {TAG_VALUE_LIMIT} characters")


def check_key(key: str) -> str:
    """The key of a tag, if it can be one.

    Raises:
        RequestInvalid: it has other characters, is a path that leads elsewhere, or is too long.
    """
    if not _KEY.fullmatch(key):
        words = "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)."
        raise RequestInvalid(f"Invalid value {_quoted(key)} for parameter 'key' supplied: {words}")
    _check_path(key, "key")
    if len(key) > TAG_KEY_LIMIT:
        raise RequestInvalid(f"'key' exceeds the maximum length of {TAG_KEY_LIMIT} characters")
    return key


def check_alias(alias: str, *, reserved: bool = False) -> str:
    """An alias, if it can be one.

    Args:
        reserved: Allow those that a number or "latest" stands behind.

    Raises:
        RequestInvalid: it is empty, has other characters, is too long or reserved.
    """
    if not alias:
        raise RequestInvalid("Registered model alias name cannot be empty.")
    if not _ALIAS.fullmatch(alias):
        words = "Names may only contain alphanumerics, underscores (_), and dashes (-)."
        raise RequestInvalid(f"Invalid alias name: '{_short(alias)}'. {words}")
    if len(alias) > ALIAS_LIMIT:
        raise RequestInvalid(f"'Registered model alias name' exceeds the maximum length of {ALIAS_LIMIT} characters")
    if reserved:
        return alias
    if alias.lower() == "latest":
        raise RequestInvalid("'latest' alias name (case insensitive) is reserved.")
    if _NUMBERED.fullmatch(alias):
        raise RequestInvalid(f"Version alias name '{alias}' is reserved.")
    return alias


def check_number(version: str | int) -> int:
    """A version's number.

    Raises:
        RequestInvalid: it is none.
    """
    try:
        number = int(version)
    except ValueError:
        raise RequestInvalid(f"Parameter 'version' must be an integer, got '{_short(str(version))}'.") from None
    return number if 0 <= number < 2**31 else 0  # a number that no version has: "not found" is the answer


def check_stage(stage: str) -> Stage:
    """A stage, in whatever case it is written.

    Raises:
        RequestInvalid: there is no such stage.
    """
    found = _STAGES.get(stage.lower())
    if found is None:
        raise RequestInvalid(f"Invalid Model Version stage: {_short(stage)}. Value must be one of {', '.join(Stage)}.")
    return found


def _check_path(name: str, parameter: str) -> None:
    plain = posixpath.normpath(name)
    if plain != name or plain == "." or plain.startswith(("..", "/")):
        words = "Names may be treated as files in certain cases, and must not resolve to other names when treated as such."
        raise RequestInvalid(
            f"Invalid value {_quoted(name)} for parameter '{parameter}' supplied: {words} This name would resolve to {_short(plain)!r}"
        )


def _quoted(text: str) -> str:
    return json.dumps(_short(text))


def _short(text: str) -> str:
    return text if len(text) <= 500 else f"{text[:500]}…"
