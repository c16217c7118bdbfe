"""What people are told, and how far it has come: a notice, one delivery of it per channel, and the words it is said in."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from noria.core.errors import SettingsInvalid


class Happening(StrEnum):
    """What a notice tells of."""

    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    DIGEST = "digest"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that people are told, once: its id names the occasion.

    Attributes:
        severity: "page" (now) or "notice" (when there is time).
        about: What has happened to the incident.
        incident: Its id; "" for a digest.
        link: Where to look, as an address of the page.
        dedupe: The same for all that is told of one incident, so that a receiver can put it together.
        at: Event time.
        drill: Told to see that it arrives: nothing is wrong.
    """

    id: str
    loop: str
    severity: str
    about: Happening
    title: str
    text: str
    dedupe: str
    at: datetime
    incident: str = ""
    link: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    drill: bool = False


class Progress(StrEnum):
    """How far a delivery has come."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One notice on its way through one channel; all times are wall time.

    Attributes:
        tries: Begun so far; one whose process died counts too.
        next_at: Not tried before; while one is trying, when another may.
        said: What the receiver answered last, or what went wrong.
        latency_ms: Of the try that arrived.
    """

    notice: str
    loop: str
    channel: str
    dedupe: str
    at: datetime
    next_at: datetime
    first_at: datetime
    progress: Progress = Progress.WAITING
    tries: int = 0
    said: str = ""
    latency_ms: float = 0.0
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of one try.

    Attributes:
        again: Whether another try may do better; a refusal for good is not tried again.
        said: What the receiver answered, or what went wrong; bounded, and without secrets.
    """

    arrived: bool
    said: str = ""
    again: bool = True


PLACES: Sequence[str] = tuple(one.name for one in fields(Notice))
"""What a template may name in braces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How a notice is put into words: two templates, with the names of `Notice` in braces.

    Raises:
        SettingsInvalid: a template names something that a notice does not have.

    >>> Words(title="[{loop}] {title}").check()
    """

    title: str = "{loop}: {title}"
    text: str = "{text}"

    def check(self) -> None:
        """Say of each template whether it can be filled in."""
        for name in ("title", "text"):
            for _, place, _, _ in _pieces(getattr(self, name)):
                if place is not None and place not in PLACES:
                    raise SettingsInvalid(f"the {name} template names {{{place}}}", fix=f"there are {', '.join(PLACES)}")

    def title_of(self, notice: Notice) -> str:
        """The title, one line."""
        return " ".join(_PLAIN.vformat(self.title, (), _spoken(notice)).split())

    def text_of(self, notice: Notice) -> str:
        """What is said below it."""
        return _PLAIN.vformat(self.text, (), _spoken(notice)).strip()


class _Plain(string.Formatter):
    """Fills in names alone: no attributes, no indices."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        return kwargs[field_name], field_name


_PLAIN = _Plain()


def _pieces(template: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(_PLAIN.parse(template))
    except ValueError as error:
        raise SettingsInvalid(f"the template {template!r} cannot be read: {error}", fix="write {{ and }} for braces") from error


def _spoken(notice: Notice) -> dict[str, str]:
    said = {name: str(getattr(notice, name)) for name in PLACES}
    said["numbers"] = ", ".join(f"{name} = {value:g}" for name, value in notice.numbers.items())
    said["at"] = f"{notice.at:%Y-%m-%d %H:%M} UTC"
    return said
