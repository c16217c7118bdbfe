"""How many wrong passwords are looked at: buckets per name, per address, and per place from which a name was right before."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from noria.core.errors import TooManyTries
from noria.ledger.access.tries import InMemory, InTable, Key, Page, Tries
from noria.ports.clock import Clock
from noria.ports.sql import Sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Wrong passwords that may come at once, and how long until one more may."""

    at_once: int
    one_more_s: float


PER_NAME = Allowance(at_once=10, one_more_s=60.0)
PER_ADDRESS = Allowance(at_once=30, one_more_s=20.0)
PER_PLACE = Allowance(at_once=10, one_more_s=60.0)


class Pace:
    """Counts wrong passwords. Thread-safe.

    A name whose bucket is empty is still let in from an address that it was right from before, so that nobody can shut
    another out by guessing at their name (OWASP, "device cookies", with the address as the cookie).

    Args:
        sql: Where all processes count together; None = this one counts for itself.
    """

    def __init__(self, wall: Clock, sql: Sql | None = None) -> None:
        self._wall = wall
        self._tries: Tries = InMemory() if sql is None else InTable(sql)

    def take(self, name: str, address: str) -> None:
        """Spend one try, before the password is looked at.

        Raises:
            TooManyTries: none is left; the password must not be looked at.
        """
        now = self._wall.now().timestamp()
        wait_s = self._tries.change(lambda page: self._taken(page, name, net(address), now), now)
        if wait_s > 0:
            raise TooManyTries("too many wrong passwords", retry_after_s=wait_s, fix=f"wait {wait_s:.0f} seconds")

    def was_right(self, name: str, address: str) -> None:
        """Give the try back, and remember the place."""
        now = self._wall.now().timestamp()
        self._tries.change(lambda page: self._given_back(page, name, net(address), now), now)

    def _taken(self, page: Page, name: str, where: str, now: float) -> float:
        buckets = _buckets(page, name, where)
        levels = _levels(page, buckets, now)
        wait_s = max(max(level + 1 - one.at_once, 0.0) * one.one_more_s for level, (_, one) in zip(levels, buckets, strict=True))
        if wait_s == 0:
            for level, (key, _) in zip(levels, buckets, strict=True):
                page.put(key, (level + 1, now))
        return wait_s

    def _given_back(self, page: Page, name: str, where: str, now: float) -> None:
        buckets = _buckets(page, name, where)
        for level, (key, _) in zip(_levels(page, buckets, now), buckets, strict=True):
            page.put(key, (max(level - 1, 0), now))
        page.put(("right", name, where), (0.0, now), lasting=True)


def _buckets(page: Page, name: str, where: str) -> list[tuple[Key, Allowance]]:
    if page.knows(("right", name, where)):
        return [(("place", name, where), PER_PLACE)]
    return [(("name", name), PER_NAME), (("address", where), PER_ADDRESS)]


def _levels(page: Page, buckets: list[tuple[Key, Allowance]], now: float) -> list[float]:
    counts = page.read([key for key, _ in buckets], now)
    return [max(spent - max(now - at, 0.0) / one.one_more_s, 0.0) for (spent, at), (_, one) in zip(counts, buckets, strict=True)]


def net(address: str) -> str:
    """What stands for an address: itself, or of IPv6 its /64, of which one caller has all.

    >>> net("2001:db8::1:2:3:4"), net("192.0.2.7"), net("")
    ('2001:db8::/64', '192.0.2.7', '')
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if found.version == 4:
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
