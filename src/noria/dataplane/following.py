"""Follows the published routing plan, and falls back on the data plane's own copy of the last good one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path

from noria.core.errors import DataInvalid
from noria.core.traffic import Kill, Plan
from noria.stages.serving import killing
from noria.stages.serving.desk import Desk
from noria.stages.serving.plan_shards import PlanReader

RETRY_S = 5.0
"""A plan that did not come to work as a whole is tried again this often."""

_log = logging.getLogger("noria.dataplane")

_Stamp = tuple[int, int, int]
_Stamps = tuple[_Stamp | None, _Stamp | None]


class PlanFollower:
    """Brings each new plan to the desk's work.

    Args:
        plan_file: Where the control plane publishes it; may be away.
        last_good: The data plane's copy of the last plan that came to work without a problem. Beside it
            may lie `noria kill --here`'s orders, which go before every plan.
    """

    def __init__(self, desk: Desk, plan_file: Path, last_good: Path, *, poll_s: float = 0.1, retry_s: float = RETRY_S) -> None:
        self._desk = desk
        self._plan_file = plan_file
        self._reader = PlanReader(plan_file)
        self._last_good = last_good
        self._poll_s = poll_s
        self._retry_s = retry_s
        self._killed = last_good.with_name(killing.FILE)
        self._orders: Mapping[str, Kill] = {}
        self._seen: _Stamps | None = None
        self._retry_at_s = 0.0
        self._now = asyncio.Event()

    def look_now(self) -> None:
        """Read the plan again without waiting, even if the file looks the same."""
        self._seen = None
        self._now.set()

    async def follow(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - the follower must outlive whatever one plan does; it is reported
                _log.exception("the routing plan could not be followed")
                self._desk.report("plan", f"{type(error).__name__}: {error}")
            self._now.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._now.wait(), self._poll_s)

    async def look(self) -> None:
        """Bring the plan to work if it is new, or if the last try left problems and it is time to retry.

        The first time the kept plan goes before: should a version of the published one not load,
        its deployment has the version that served last.
        """
        stamps, now_s = (_stamp(self._plan_file), _stamp(self._killed)), asyncio.get_running_loop().time()
        if stamps == self._seen and self._desk.planned and not (self._desk.unopened and now_s >= self._retry_at_s):
            return
        ordered = self._read_orders()
        if (ordered or not self._desk.planned) and (kept := self._kept()) is not None:
            await self._desk.apply(killing.without(kept, self._orders))
        plan = await self._published()
        if plan is not None:
            as_ordered = killing.without(plan, self._orders)
            await self._desk.apply(as_ordered)
            self._retry_at_s = asyncio.get_running_loop().time() + self._retry_s
            if not self._desk.unopened and as_ordered == plan:
                await self._keep()
        self._seen = stamps

    def _read_orders(self) -> bool:
        """Read what was ordered here; returns whether it changed while no plan is published."""
        try:
            orders = killing.killed(self._killed)
        except (DataInvalid, OSError) as error:
            self._desk.report("killed", f"orders to take versions out cannot be read, those before stand: {error}")
            return False
        self._desk.report("killed", "; ".join(_said(kill) for kill in orders.values()))
        changed, self._orders = orders != self._orders, orders
        return changed and not self._plan_file.exists()

    async def _published(self) -> Plan | None:
        try:
            plan = await asyncio.to_thread(self._reader.read)
        except (DataInvalid, OSError) as error:
            self._desk.report("plan", f"the published plan cannot be read, the one before stays at work: {error}")
            return None
        self._desk.report("plan", "")
        return plan

    async def _keep(self) -> None:
        try:
            await asyncio.to_thread(self._reader.keep, self._last_good)
        except OSError as error:
            self._desk.report("plan", f"no copy of the plan can be kept: {error}")

    def _kept(self) -> Plan | None:
        try:
            return PlanReader(self._last_good).read()
        except (DataInvalid, OSError) as error:
            self._desk.report("plan", f"the kept plan cannot be read: {error}")
            return None


def _stamp(file: Path) -> _Stamp | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _said(kill: Kill) -> str:
    versions = ", ".join(f"v{number}" for number in kill.versions)
    return f"{versions} of {kill.deployment} was taken out here by {kill.by}" + f": {kill.because}" * bool(kill.because)
