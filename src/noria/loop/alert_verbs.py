"""What a person may order about alerts: silence, judge, acknowledge, close, tune, drill. Each is on the record with who and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from noria.core.alerting import Opinion, Record, Silence, Tuning
from noria.core.declaration.loop import Loop
from noria.core.errors import NotAllowed, NotFound
from noria.core.ids import new_id
from noria.core.moments import spoken, to_ms
from noria.core.watching import Incident, MonitorState
from noria.loop import drilling, telling, tuning
from noria.loop.incidents import ended
from noria.loop.states import state_of
from noria.loop.telling import Books
from noria.ports.records import Write

LONGEST_SILENCE = timedelta(days=30)


class AlertVerbs:
    """A person's side of every loop's alerts. Thread-safe: each verb is one commit.

    Args:
        declared: A loop's name to its declaration in force.
    """

    def __init__(self, books: Books, *, declared: Callable[[str], Loop]) -> None:
        self._books, self._declared = books, declared

    def silence(self, loop: str, length: timedelta, *, monitor: str = "", subject: str = "", by: str, because: str) -> Silence:
        """Let monitors of the loop open and page nothing for so long, in event time; they still read, and are recorded.

        Raises:
            NotFound: no such loop, or no such monitor or subject in it.
            NotAllowed: it would be longer than 30 days, or has no length.
        """
        state_of(self._books.documents, loop)
        if not timedelta(0) < length <= LONGEST_SILENCE:
            raise NotAllowed(f"a silence of {spoken(length)}", fix="silence for up to 30d, or change the watch in the loop file")
        known = self._books.documents.find(MonitorState, where={"loop": loop})
        for name, given in (("monitor", monitor), ("subject", subject)):
            there = sorted({getattr(state, name) for state in known})
            if given and given not in there:
                raise NotFound(f"{loop} has no {name} {given!r}; there are {', '.join(there[:30]) or 'none yet'}", fix="name one of these")
        now = self._books.clock.now()
        made = Silence(
            id=new_id("silence", to_ms(now)),
            loop=loop,
            since=now,
            until=now + length,
            monitor=monitor,
            subject=subject,
            by=by,
            because=because,
        )
        what = " of ".join(one for one in (monitor or "all monitors", subject) if one)
        self._put(made, "silence.began", loop, made.id, by, (f"{what} silent for {spoken(length)}", because))
        return made

    def end_silence(self, id: str, *, by: str, because: str = "") -> Silence:
        """End a silence now.

        Raises:
            NotFound: there is no such silence.
            NotAllowed: it has ended already.
        """
        found = self._books.documents.revision(Silence, id)
        if found is None:
            raise NotFound(f"there is no silence {id}", fix="`noria silence --list` shows them")
        silence, now = found[0], self._books.clock.now()
        if silence.ended_at is not None or silence.until <= now:
            raise NotAllowed(f"{id} has ended already")
        over = replace(silence, ended_at=now)
        self._put(over, "silence.ended", silence.loop, id, by, ("ended early", because), expect=found[1])
        return over

    def judge(self, incident: str, *, useful: bool, by: str, because: str = "") -> list[Tuning]:
        """Say whether an incident was worth it; returns what is now proposed for the limits of its monitors.

        One opinion a person: the last one counts.

        Raises:
            NotFound: there is no such incident.
        """
        found = self._incident(incident)
        opinion = Opinion(incident=found.id, loop=found.loop, useful=useful, by=by, because=because, at=self._books.clock.now())
        word = "useful" if useful else "noise"
        self._put(opinion, "incident.judged", found.loop, found.id, by, (word, because), why=found.id)
        return tuning.propose_for(self._books, self._declared(found.loop), found)

    def record(self, loop: str) -> list[Record]:
        """How each of the loop's monitors has done, as people judged its incidents."""
        return tuning.record_of(self._books.documents, loop)

    def acknowledge(self, incident: str, *, by: str, because: str = "") -> Incident:
        """Say that somebody looks at it; who was paged is told.

        Raises:
            NotFound: there is no such incident.
            NotAllowed: it is over.
        """
        found, revision = self._open(incident)
        taken = replace(found, acknowledged_at=self._books.clock.now(), acknowledged_by=by)
        also = telling.acknowledged(self._books, taken)
        self._put(taken, "incident.acknowledged", found.loop, found.id, by, (because,), expect=revision, also=also, why=found.id)
        return taken

    def close(self, incident: str, *, by: str, because: str = "") -> Incident:
        """End an incident by hand. Its monitors begin anew: if what they saw goes on, they fire again, in an incident of its own.

        Raises:
            NotFound: there is no such incident.
            NotAllowed: it is over.
        """
        found, _ = self._open(incident)
        documents = self._books.documents
        writes = ended(self._books, found, because=f"closed by {by}" + (f": {because}" if because else ""), by=by)
        for name in found.subjects:
            monitor, _, subject = name.partition(":")
            writes.append(documents.write(MonitorState(loop=found.loop, monitor=monitor, subject=subject)))
        documents.records.commit(*writes)
        return self._incident(incident)

    def tune(self, id: str, state: str, *, by: str, because: str = "") -> Tuning:
        """Apply or dismiss a proposed limit ("applied", "dismissed"), or take an applied one back ("ended").

        Raises:
            NotFound: there is no such proposal.
            NotAllowed: that cannot be done with it now.
        """
        found = self._books.documents.revision(Tuning, id)
        if found is None:
            raise NotFound(f"there is no tuning {id}", fix="`noria tune-alerts` lists them")
        before, revision = found
        if (before.state, state) not in (("proposed", "applied"), ("proposed", "dismissed"), ("applied", "ended")):
            raise NotAllowed(f"{id} is {before.state}; it cannot be {state}")
        also = tuning.instead_of(self._books.documents, before) if state == "applied" else []
        after = replace(before, state=state, by=by, at=self._books.clock.now())
        what = f"the limit of {before.monitor} of {before.subject}: × {before.factor:g}"
        self._put(after, f"tuning.{state}", before.loop, id, by, (what, before.reason, because), expect=revision, also=also)
        return after

    def fire_drill(self, loop: str, *, by: str, because: str = "") -> Incident:
        """Send an alert that is none through the whole path; it ends by itself.

        Raises:
            NotFound: no such loop.
        """
        state_of(self._books.documents, loop)
        return drilling.begin(self._books, loop, by=by, because=because)

    def _open(self, incident: str) -> tuple[Incident, int]:
        found = self._books.documents.revision(Incident, self._incident(incident).id)
        assert found is not None
        if found[0].closed_at is not None:
            raise NotAllowed(f"{found[0].id} is over: {found[0].closed_because}")
        return found

    def _incident(self, id: str) -> Incident:
        found = self._books.documents.get(Incident, id)
        if found is None:
            raise NotFound(f"there is no incident {id}", fix="`noria incident` lists them")
        return found

    def _put(
        self,
        value: object,
        kind: str,
        loop: str,
        subject: str,
        by: str,
        reasons: tuple[str, ...],
        *,
        expect: int | None = None,
        also: list[Write] | None = None,
        why: str = "",
    ) -> None:
        """Commit a value with its line in the ledger."""
        event = self._books.ledger.event(
            kind,
            loop=loop,
            subject=subject,
            by=by,
            reasons=tuple(one for one in reasons if one),
            because=(f"{why}:opened",) if why else (),
        )
        self._books.documents.records.commit(
            self._books.documents.write(value, expect=expect), self._books.ledger.line(event), *(also or [])
        )
