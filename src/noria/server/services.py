"""What the control plane needs from the rest of the house: records to read, and the verbs that change things."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from noria.core.examination.examination import Examination
from noria.core.explaining import ExplainedRequest, Search
from noria.core.lineage import Lineage
from noria.core.performance import RealisedQuality
from noria.core.registry import Brought, Deployment
from noria.ledger.book import Ledger
from noria.ports.clock import Clock
from noria.ports.records import Records

if TYPE_CHECKING:
    from noria.ledger.access.access import Access
    from noria.loop.alert_verbs import AlertVerbs
    from noria.loop.keys import KeyVerbs


class Services(Protocol):
    """The sockets of the server; `noria.app` fills them. Thread-safe: handlers run in a thread pool.

    Each verb raises a `NoriaError` whose `code` the server maps to a status. `by` names the person
    or program that asked, `reason` is kept in the ledger.

    Attributes:
        records: Where all documents are read from.
        ledger: Where events are read from.
        clock: Event time.
        token: The secret that verbs ask for; "" refuses all verbs.
        token_hint: How a person finds the token, one sentence.
        home: The folder of the installation; charts' bundle is cached in `home/cache`.
        alerts: What a person may order about alerts.
        keys: What a person may order about who may call a deployment.
        access: Users, their tokens and sessions.
    """

    @property
    def records(self) -> Records: ...  # noqa: D102

    @property
    def ledger(self) -> Ledger: ...  # noqa: D102

    @property
    def clock(self) -> Clock: ...  # noqa: D102

    @property
    def token(self) -> str: ...  # noqa: D102

    @property
    def token_hint(self) -> str: ...  # noqa: D102

    @property
    def home(self) -> Path: ...  # noqa: D102

    @property
    def alerts(self) -> AlertVerbs: ...  # noqa: D102

    @property
    def keys(self) -> KeyVerbs: ...  # noqa: D102

    @property
    def access(self) -> Access: ...  # noqa: D102

    def turn(self, loop: str, *, by: str, reason: str) -> str:
        """Ask for a turn by hand and return the id of the signal that starts it.

        Raises:
            NotFound: no such loop.
            NotAllowed: a turn is open already.
        """
        ...

    def approve(self, turn: str, *, granted: bool, by: str, reason: str) -> None:
        """Grant or refuse the approval that a turn waits for.

        Raises:
            NotFound: no such turn.
            NotAllowed: it waits for none.
        """
        ...

    def promote(self, loop: str, version: int, *, by: str, reason: str) -> None:
        """Make a version the champion, now.

        Raises:
            NotFound: no such loop or version.
        """
        ...

    def rollback(self, loop: str, *, by: str, reason: str) -> None:
        """End the running rollout, or go back to the champion before this one.

        Raises:
            NotFound: no such loop.
            NotAllowed: there is nothing to go back to.
        """
        ...

    def deploy(self, name: str, brought: Brought, *, by: str, reason: str) -> Deployment:
        """Let a model answer under a name, without a loop: as the name's next version, at once.

        Raises:
            ArtifactRejected: it may not be opened, or does not answer as it should.
            NotFound: there is no such version to take.
            NotAllowed: the name is a loop's.
        """
        ...

    def undeploy(self, name: str, *, by: str, reason: str) -> None:
        """Take a deployment without a loop away.

        Raises:
            NotFound: no such deployment.
            NotAllowed: it was taken away already.
        """
        ...

    def kill(self, loop: str, *, by: str, reason: str) -> int | None:
        """Take the challenger out, or with none the champion, and hold the loop; returns the champion's number.

        Raises:
            NotFound: no such loop.
        """
        ...

    def pause(self, loop: str, paused: bool, *, by: str, reason: str) -> None:
        """Stop or resume automatic turns; predictions go on.

        Raises:
            NotFound: no such loop.
        """
        ...

    def quality(self, loop: str, *, as_of: datetime | None, metric: str, window: timedelta, version: int | None) -> RealisedQuality:
        """Realised quality by window of time, as it was known at a moment (None = now).

        Raises:
            NotFound: no such loop, version, or metric of its task.
            NotAllowed: nothing was predicted yet.
        """
        ...

    def lineage(self, of: str, *, up: bool = True, down: bool = True, features: bool = False) -> Lineage:
        """What a thing came from and what came of it; see `noria.ledger.lineage`.

        Raises:
            NotFound: nothing is called so.
        """
        ...

    def explain(self, loop: str, request_id: str, search: Search | None = None) -> ExplainedRequest:
        """Why a logged request was answered so; with `search`, what would have changed the answer too.

        Raises:
            NotFound: no such loop or request, or its version kept nothing to explain it against.
        """
        ...

    def decide_anomaly(self, id: str, state: str, *, by: str, reason: str) -> None:
        """Say that an anomalous request was "seen", or that it is nothing ("dismissed").

        Raises:
            NotFound: no anomalous request has the id.
        """
        ...

    def examination(self, digest: str) -> Examination:
        """What was looked at behind a scorecard.

        Raises:
            NotFound: it is not there any more.
        """
        ...

    def settle(self, at_ms: int, timeout_s: float) -> bool:
        """Wait until everything due by event time `at_ms` has been worked off; False when time ran out."""
        ...
