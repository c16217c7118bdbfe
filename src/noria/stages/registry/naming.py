"""Which version a person means by `late-arrival`, `late-arrival@3`, `late-arrival@v3` or `late-arrival@challenger`."""

from __future__ import annotations

from noria.core.errors import NotFound
from noria.ports.records import Records
from noria.stages.registry import aliases, versions


def meant(records: Records, wanted: str) -> tuple[str, int]:
    """Model and number; the champion where only the model is named, the newest version where there is none.

    Raises:
        NotFound: there is no such model, alias or version.
    """
    model, _, which = wanted.partition("@")
    last = versions.latest(records, model)
    if not last:
        raise NotFound(f"there is no version of {model[:100]!r}", fix="`noria production --all` lists models")
    if not which:
        return model, aliases.current(records, model, aliases.CHAMPION) or last
    number = int(which.removeprefix("v")) if which.removeprefix("v").isdecimal() else aliases.current(records, model, which)
    if number is None or not versions.exists(records, model, number):
        raise NotFound(
            f"{model} has no {which[:100]!r}; its versions are 1 to {last}", fix=f"`noria versions {model}` lists them with their aliases"
        )
    return model, number
