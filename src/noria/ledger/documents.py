"""Documents by their class: which kind, key and index each value of the ring is stored under."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from noria.core.access import ApiKey
from noria.core.alerting import AlertBook, Opinion, Silence, Tuning
from noria.core.anomalies import AnomalousRequest, AnomalyQueue, place_of
from noria.core.audit import AuditLine
from noria.core.data import DatasetVersion
from noria.core.identities import AccessToken, Admittance, Session, TokenUse, User
from noria.core.ids import digest_of, new_id
from noria.core.judging import Approval
from noria.core.lineage import Ingredients, UpstreamJob
from noria.core.moments import to_ms
from noria.core.notices import Delivery, Notice
from noria.core.performance import MaturityCurve
from noria.core.probing import Judgement
from noria.core.projects import Project
from noria.core.registry import AliasMove, Deployment, ModelVersion
from noria.core.state import AliasState, LoopState, TrafficPoint
from noria.core.streaming import StreamState
from noria.core.training import Run
from noria.core.turning import Rollout, Signal, Step, Turn
from noria.core.watching import Incident, MonitorState, Reading
from noria.ports import wire
from noria.ports.records import Put, Records

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Where values of one class are kept; `key` and `index` read a value."""

    kind: str
    key: Callable[[Any], str]
    index: Callable[[Any], dict[str, str]]


def _move_key(move: AliasMove) -> str:
    """A key that sorts by time and is the same for the same move: filing a move twice keeps one."""
    random = bytes.fromhex(digest_of(wire.dump(move)).removeprefix("sha256:"))[:5]
    return f"{move.model}/{move.alias}/{new_id('move', to_ms(move.at), random=random)}"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


SHELVES: dict[type, Shelf] = {
    LoopState: Shelf(kind="loop", key=lambda v: v.name, index=lambda v: {}),
    Turn: Shelf(kind="turn", key=lambda v: v.id, index=lambda v: {"loop": v.loop, "state": v.state}),
    Step: Shelf(kind="step", key=lambda v: f"{v.turn}/{v.seq:04d}-{v.name}", index=lambda v: {"turn": v.turn}),
    Run: Shelf(kind="run", key=lambda v: v.id, index=lambda v: {"loop": v.loop, "turn": v.turn}),
    ModelVersion: Shelf(kind="version", key=lambda v: f"{v.model}@{v.number:06d}", index=lambda v: {"model": v.model, "turn": v.turn}),
    Deployment: Shelf(
        kind="deployment",
        key=lambda v: v.name,
        index=lambda v: {
            "state": "taken away" if v.version is None else "answering",
            "code": "some" if v.code else "none",
            "form": "graph" if v.members else "model",
        },
    ),
    AliasState: Shelf(kind="alias", key=lambda v: f"{v.model}/{v.alias}", index=lambda v: {"model": v.model}),
    AliasMove: Shelf(kind="alias-move", key=_move_key, index=lambda v: {"model": v.model, "alias": v.alias}),
    Rollout: Shelf(kind="rollout", key=lambda v: v.id, index=lambda v: {"loop": v.loop, "phase": v.phase, "turn": v.turn}),
    Reading: Shelf(
        kind="reading",
        key=lambda v: f"{v.loop}/{v.monitor}/{v.subject}/{_iso(v.time)}",
        index=lambda v: {"loop": v.loop, "monitor": v.monitor, "subject": v.subject},
    ),
    MonitorState: Shelf(kind="monitor", key=lambda v: f"{v.loop}/{v.monitor}/{v.subject}", index=lambda v: {"loop": v.loop}),
    Incident: Shelf(kind="incident", key=lambda v: v.id, index=lambda v: {"loop": v.loop, "state": "closed" if v.closed_at else "open"}),
    StreamState: Shelf(kind="stream", key=lambda v: f"{v.loop}/{v.subject}", index=lambda v: {"loop": v.loop}),
    MaturityCurve: Shelf(kind="maturity", key=lambda v: v.loop, index=lambda v: {"loop": v.loop}),
    DatasetVersion: Shelf(kind="dataset", key=lambda v: f"{v.name}/{v.digest}", index=lambda v: {"name": v.name}),
    Signal: Shelf(kind="signal", key=lambda v: v.id, index=lambda v: {"loop": v.loop, "state": "new"}),
    TrafficPoint: Shelf(kind="traffic", key=lambda v: f"{v.loop}/{_iso(v.start)}", index=lambda v: {"loop": v.loop}),
    Judgement: Shelf(kind="judgement", key=lambda v: v.id, index=lambda v: {"loop": v.loop}),
    Approval: Shelf(kind="approval", key=lambda v: v.turn, index=lambda v: {}),
    Notice: Shelf(kind="notice", key=lambda v: v.id, index=lambda v: {"loop": v.loop, "incident": v.incident, "state": "new"}),
    Delivery: Shelf(
        kind="delivery",
        key=lambda v: f"{v.notice}/{v.channel}",
        index=lambda v: {"loop": v.loop, "notice": v.notice, "channel": v.channel, "state": v.progress},
    ),
    Silence: Shelf(kind="silence", key=lambda v: v.id, index=lambda v: {"loop": v.loop}),
    AlertBook: Shelf(kind="alert-book", key=lambda v: v.loop, index=lambda v: {}),
    Opinion: Shelf(kind="opinion", key=lambda v: f"{v.incident}/{v.by}", index=lambda v: {"loop": v.loop, "incident": v.incident}),
    AnomalyQueue: Shelf(kind="anomaly-queue", key=lambda v: v.loop, index=lambda v: {}),
    AnomalousRequest: Shelf(kind="anomaly", key=lambda v: place_of(v.loop, v.number), index=lambda v: {"loop": v.loop, "state": v.state}),
    ApiKey: Shelf(kind="api-key", key=lambda v: v.id, index=lambda v: {"deployment": v.deployment}),
    Ingredients: Shelf(kind="ingredients", key=lambda v: f"{v.model}@{v.number:06d}", index=lambda v: {"model": v.model}),
    UpstreamJob: Shelf(kind="upstream-job", key=lambda v: digest_of(v.id.encode()), index=lambda v: {"namespace": v.namespace[:200]}),
    AuditLine: Shelf(kind="audit", key=lambda v: v.id, index=lambda v: {"by": v.by, "project": v.project}),
    Admittance: Shelf(kind="admittance", key=lambda v: "door", index=lambda v: {}),
    Project: Shelf(kind="project", key=lambda v: v.name, index=lambda v: {}),
    User: Shelf(kind="user", key=lambda v: v.name, index=lambda v: {"state": "here" if v.here else "removed", "outside": v.outside}),
    AccessToken: Shelf(kind="access-token", key=lambda v: v.id, index=lambda v: {"user": v.user}),
    TokenUse: Shelf(kind="access-token-use", key=lambda v: v.token, index=lambda v: {}),
    Session: Shelf(kind="session", key=lambda v: v.digest, index=lambda v: {"user": v.user}),
    Tuning: Shelf(kind="tuning", key=lambda v: v.id, index=lambda v: {"loop": v.loop, "state": v.state}),
}
"""Every class that has documents. A new signal is filed as "new"; whoever uses or declines it says so by `index=`. A new notice
is filed as "new"; whoever has made its deliveries, as "sent"."""


class Documents:
    """Typed documents: each class of `SHELVES` has its own kind, key and index. Thread-safe where `records` is."""

    def __init__(self, records: Records) -> None:
        self.records = records

    def get(self, kind_class: type[T], key: str) -> T | None:
        """The value under `key`, or None."""
        found = self.revision(kind_class, key)
        return None if found is None else found[0]

    def revision(self, kind_class: type[T], key: str) -> tuple[T, int] | None:
        """The value under `key` and the revision to `expect` when writing it back, or None."""
        record = self.records.get(_shelf(kind_class).kind, key)
        return None if record is None else (wire.load(record.body, kind_class), record.revision)

    def find(
        self,
        kind_class: type[T],
        *,
        where: Mapping[str, str] | None = None,
        limit: int = 1_000,
        newest_first: bool = False,
        after: str = "",
    ) -> list[T]:
        """Values whose index has all of `where`, ordered by key (or backwards), keys beyond `after`."""
        asked = {name: str(value) for name, value in (where or {}).items()}
        found = self.records.find(_shelf(kind_class).kind, where=asked, limit=limit, newest_first=newest_first, after=after)
        return [wire.load(record.body, kind_class) for record in found]

    def write(self, value: Any, *, expect: int | None = None, index: Mapping[str, str] | None = None, key: str = "") -> Put:
        """The value as a write, to be committed together with others.

        Args:
            expect: The revision it must have now (0 = must not exist, None = any).
            index: Fields beside, or instead of, those read from the value: `{"state": "used"}` for a signal.
            key: Instead of the key read from the value.
        """
        shelf = _shelf(type(value))
        fields = {**shelf.index(value), **(index or {})}
        return Put(
            kind=shelf.kind,
            key=key or shelf.key(value),
            body=wire.dump(value),
            index={name: str(field) for name, field in fields.items()},
            expect=expect,
        )

    def put(self, value: Any, *, expect: int | None = None, index: Mapping[str, str] | None = None, key: str = "") -> None:
        """Commit the value by itself; arguments as for `write`.

        Raises:
            Conflict: it has another revision than `expect` now.
        """
        self.records.commit(self.write(value, expect=expect, index=index, key=key))

    def put_signal(self, signal: Signal, state: str, *, expect: int | None = None) -> None:
        """File a signal under "new", "used" or "declined"; the state is not on the value."""
        self.put(signal, expect=expect, index={"state": state})

    def key(self, value: Any) -> str:
        """The key that the value is stored under."""
        return _shelf(type(value)).key(value)


def _shelf(kind_class: type) -> Shelf:
    try:
        return SHELVES[kind_class]
    except KeyError:
        known = ", ".join(sorted(known.__name__ for known in SHELVES))
        raise TypeError(f"{kind_class.__name__} is not kept as a document; these are: {known}") from None
