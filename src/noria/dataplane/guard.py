"""Who may call: a deployment's keys where it has some, else the home's token, else everybody on this machine."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from noria.core.access import Doors, id_of, opens, presented
from noria.core.errors import DataInvalid
from noria.core.moments import to_ms
from noria.dataplane.exchange import Refused
from noria.ports.clock import Clock
from noria.stages.serving.plans import publish_doors, read_doors

USED_EVERY_S = 60.0
"""The time of a key's last use is kept no more often than this."""

_log = logging.getLogger("noria.dataplane")


class Guard:
    """Lets callers in, or not. For one event loop.

    Args:
        token: The home's; opens every door.
        everywhere: Whether it is asked for where a deployment has no keys of its own: beyond this machine.
        clock: Event time, which keys expire by.
        used: Folder for the times of last use; None keeps none.

    Attributes:
        doors: Who may call; None when that is not known.
    """

    def __init__(self, *, token: str = "", everywhere: bool = True, clock: Clock | None = None, used: Path | None = None) -> None:
        self._token = token.encode()
        self.everywhere = everywhere and bool(token)
        self._clock = clock
        self._used = used
        self._told_s: dict[str, float] = {}
        self.doors: Doors | None = Doors()

    def admit(self, headers: Mapping[str, str], deployment: str = "") -> None:
        """Return when the caller may call.

        Args:
            headers: By lower-case name; gRPC's metadata is the same.
            deployment: Whose endpoint it is; "" where it is nobody's.

        Raises:
            Refused: the caller shows nothing that opens this door ("unauthorized"), or it is not known who may
                call ("unavailable").
        """
        if self.doors is None:
            if not self._is_token(presented(headers)):
                raise Refused("unavailable", "it is not known who may call", fix="mend plan/keys.json: `noria keys` writes it anew")
            return
        admitted = self.doors.deployments.get(deployment)
        if admitted is None and not self.everywhere:
            return
        given = presented(headers)
        if self._is_token(given):
            return
        if admitted is None:
            raise Refused("unauthorized", "a bearer token is needed", fix="send the header `Authorization: Bearer <token>`")
        id = id_of(given)
        key = admitted.get(id)
        if key is None or not opens(key, given, to_ms(self._clock.now()) if self._clock else 0):
            said = "a key of this deployment is needed" if not given else "this is no valid key of the deployment"
            raise Refused("unauthorized", said, fix="send the header `Authorization: Bearer <key>` or `X-API-Key: <key>`")
        self._was_used(id)

    def _is_token(self, given: str) -> bool:
        return bool(self._token) and hmac.compare_digest(given.encode("utf-8", "replace"), self._token)

    def _was_used(self, id: str) -> None:
        now_s = time.monotonic()
        if self._used is None or self._clock is None or now_s - self._told_s.get(id, -USED_EVERY_S) < USED_EVERY_S:
            return
        self._told_s[id] = now_s
        at_s = self._clock.now().timestamp()
        try:
            self._used.mkdir(parents=True, exist_ok=True)
            (self._used / id).touch()
            os.utime(self._used / id, (at_s, at_s))
        except OSError as error:
            _log.warning("the last use of key %s is not kept: %s", id, error)


class DoorFollower:
    """Brings the published doors to a guard, from the data plane's own copy where they cannot be read.

    Args:
        file: Where the control plane publishes them; may be away.
        last_good: The data plane's copy.
        report: Says a problem, or takes it back with "".
    """

    def __init__(self, guard: Guard, file: Path, last_good: Path, report: Callable[[str, str], None], *, poll_s: float = 0.1) -> None:
        self._guard = guard
        self._file = file
        self._last_good = last_good
        self._report = report
        self._poll_s = poll_s
        self._seen: tuple[int, int, int] | None = None

    async def follow(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(self._poll_s)
            self.look()

    def look(self) -> None:
        """Read the doors if they are new; when they cannot be read, those before stay, and a problem is reported.

        Doors that were never published are open, unless the data plane knew some before.
        """
        try:
            stat = self._file.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except OSError:
            stamp = (0, 0, 0)
        if stamp == self._seen:
            return
        first, self._seen = self._seen is None, stamp
        try:
            published = read_doors(self._file)
            if published is not None:
                self._guard.doors = published
                publish_doors(published, self._last_good)
            elif first:
                self._guard.doors = read_doors(self._last_good) or Doors()
            self._report("keys", "")
        except (DataInvalid, OSError) as error:
            self._report("keys", f"it cannot be read who may call, what was known before stays: {error}")
            if first:
                self._guard.doors = self._known_before()

    def _known_before(self) -> Doors | None:
        """The copy, or None: who may call is not known, so nobody may but by the token."""
        try:
            return read_doors(self._last_good)
        except (DataInvalid, OSError):
            return None
