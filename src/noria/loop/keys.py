"""What a person may order about keys: make, list, revoke, and open the door again. Each is on the record with who and why."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from noria.core.access import Admission, ApiKey, Doors, check_issued, new_key
from noria.core.errors import DataInvalid, NotAllowed, NotFound
from noria.core.ids import digest_of
from noria.core.moments import from_ms, spoken, to_ms
from noria.core.state import LoopState
from noria.ledger.book import Ledger
from noria.ledger.documents import Documents
from noria.ports.clock import Clock
from noria.ports.records import Records, Write
from noria.stages.serving.plans import doors_file, publish_doors, read_doors, read_plan

USED = Path("dataplane") / "used-keys"
"""A file per key in the home; its time is when the key was last used, to the minute."""

LIMIT = 10_000


class KeyBooks(Protocol):
    """What keys need of the world: where they are kept, what time it is, and where they are published."""

    @property
    def records(self) -> Records: ...  # noqa: D102

    @property
    def documents(self) -> Documents: ...  # noqa: D102

    @property
    def ledger(self) -> Ledger: ...  # noqa: D102

    @property
    def clock(self) -> Clock: ...  # noqa: D102

    @property
    def home(self) -> Path: ...  # noqa: D102

    @property
    def plan_file(self) -> Path: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShown:
    """A key as it is listed.

    Attributes:
        state: "valid", "expired" or "revoked".
        used_at: When a data plane of this home last let it in; None = never.
    """

    id: str
    deployment: str
    state: str
    note: str
    by: str
    made_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


class KeyVerbs:
    """Keys of every deployment of a home. Thread-safe: each verb is one commit, then the doors are published anew."""

    def __init__(self, books: KeyBooks) -> None:
        self._books = books

    def add(self, deployment: str, *, lasts: timedelta | None = None, note: str = "", by: str) -> tuple[str, ApiKey]:
        """Make a key; returns the secret, which is shown this once, and what is kept.

        With its first key a deployment asks every caller for one, on this machine too.

        Raises:
            NotFound: there is no such deployment.
            RequestInvalid: it would last no time, or the note is too long.
        """
        self._known(deployment)
        check_issued("key", lasts=lasts, note=note)
        secret, id = new_key()
        now = self._books.clock.now()
        made = ApiKey(
            id=id,
            deployment=deployment,
            digest=digest_of(secret.encode()),
            made_at=now,
            note=note,
            by=by,
            expires_at=None if lasts is None else now + lasts,
        )
        until = "without end" if lasts is None else f"for {spoken(lasts)}"
        self._put([self._books.documents.write(made, expect=0)], "key.made", made, by, (f"valid {until}", note))
        return secret, made

    def all(self, deployment: str = "") -> list[KeyShown]:
        """Keys that were not retired, the oldest first."""
        where = {"deployment": deployment} if deployment else {}
        now = self._books.clock.now()
        found = [one for one in self._books.documents.find(ApiKey, where=where, limit=LIMIT) if not one.retired]
        return [self._shown(one, now) for one in sorted(found, key=lambda one: (one.deployment, one.made_at))]

    def revoke(self, id: str, *, by: str, because: str = "") -> KeyShown:
        """End a key now. A deployment whose last key ends stays closed to all but the home's token.

        Raises:
            NotFound: there is no such key.
            NotAllowed: it was revoked already.
        """
        found = self._books.documents.revision(ApiKey, id)
        if found is None:
            raise NotFound(f"there is no key {id[:100]!r}", fix="`noria keys` lists them by their id")
        key, revision = found
        if key.revoked_at is not None:
            raise NotAllowed(f"key {id} was revoked already")
        over = replace(key, revoked_at=self._books.clock.now())
        self._put([self._books.documents.write(over, expect=revision)], "key.revoked", over, by, (key.note, because))
        return self._shown(over, self._books.clock.now())

    def open(self, deployment: str, *, by: str, because: str = "") -> int:
        """Ask for no key any more: all are revoked; returns how many there were.

        Raises:
            NotAllowed: it asks for none.
        """
        now, writes, last = self._books.clock.now(), list[Write](), None
        for one in self._books.documents.find(ApiKey, where={"deployment": deployment}, limit=LIMIT):
            found = self._books.documents.revision(ApiKey, one.id)
            if found is not None and not found[0].retired:
                last = replace(found[0], revoked_at=found[0].revoked_at or now, retired=True)
                writes.append(self._books.documents.write(last, expect=found[1]))
        if last is None:
            raise NotAllowed(f"{deployment} asks for no key")
        self._put(writes, "keys.opened", last, by, (f"{len(writes)} keys no longer count", because))
        return len(writes)

    def _put(self, writes: list[Write], kind: str, key: ApiKey, by: str, reasons: tuple[str, ...]) -> None:
        said = [one for one in reasons if one]
        event = self._books.ledger.event(kind, loop=key.deployment, subject=f"{key.deployment}/{key.id}", by=by, reasons=said)
        self._books.records.commit(*writes, self._books.ledger.line(event))
        bring_keys_out(self._books)

    def _known(self, deployment: str) -> None:
        loops = {state.name for state in self._books.documents.find(LoopState)}
        plan = read_plan(self._books.plan_file)
        known = sorted(loops | set(plan.routes if plan else ()))
        if deployment not in known:
            listed = ", ".join(known[:20]) or "none yet"
            raise NotFound(f"there is no deployment {deployment[:100]!r}; there are: {listed}", fix="name one of them")

    def _shown(self, key: ApiKey, now: datetime) -> KeyShown:
        try:
            used_at = from_ms(round((self._books.home / USED / key.id).stat().st_mtime * 1000))
        except OSError:
            used_at = None
        return KeyShown(
            id=key.id,
            deployment=key.deployment,
            state=key.state(now),
            note=key.note,
            by=key.by,
            made_at=key.made_at,
            expires_at=key.expires_at,
            used_at=used_at,
        )


def doors_of(books: KeyBooks) -> Doors:
    """What the records say about who may call."""
    doors: dict[str, dict[str, Admission]] = defaultdict(dict)
    for key in books.documents.find(ApiKey, limit=LIMIT):
        if not key.retired:
            held = doors[key.deployment]
            if key.revoked_at is None:
                held[key.id] = Admission(digest=key.digest, expires_ms=to_ms(key.expires_at) if key.expires_at else 0)
    return Doors(deployments=dict(doors))


def bring_keys_out(books: KeyBooks) -> None:
    """Publish the doors beside the routing plan, unless they are out already."""
    file, doors = doors_file(books.plan_file), doors_of(books)
    try:
        out = read_doors(file) or Doors()
    except (DataInvalid, OSError):
        out = None
    if out != doors:
        publish_doors(doors, file)
