"""How many wrong passwords are looked at: buckets per name, per address, and per place from which a name was right before."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from noria.core.errors import TooManyTries
from noria.ports.clock import Clock

REMEMBERED = 20_000
"""Buckets, and places that were right, that one process keeps; the ones longest untouched make room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Wrong passwords that may come at once, and how long until one more may."""

    at_once: int
    one_more_s: float


PER_NAME = Allowance(at_once=10, one_more_s=60.0)
PER_ADDRESS = Allowance(at_once=30, one_more_s=20.0)
PER_PLACE = Allowance(at_once=10, one_more_s=60.0)


class Pace:
    """Counts wrong passwords in this process. Thread-safe.

    A name whose bucket is empty is still let in from an address that it was right from before, so that nobody can shut
    another out by guessing at their name (OWASP, "device cookies", with the address as the cookie).
    """

    def __init__(self, wall: Clock) -> None:
        self._wall = wall
        self._lock = threading.Lock()
        self._spent: OrderedDict[tuple[str, ...], tuple[float, float]] = OrderedDict()
        self._right: OrderedDict[tuple[str, str], None] = OrderedDict()

    def take(self, name: str, address: str) -> None:
        """Spend one try, before the password is looked at.

        Raises:
            TooManyTries: none is left; the password must not be looked at.
        """
        with self._lock:
            now = self._wall.now().timestamp()
            buckets = self._buckets(name, address)
            waits = [self._wait(key, allowance, now) for key, allowance in buckets]
            if max(waits) > 0:
                raise TooManyTries("too many wrong passwords", retry_after_s=max(waits), fix=f"wait {max(waits):.0f} seconds")
            for key, allowance in buckets:
                self._put(key, self._level(key, allowance, now) + 1, now)

    def was_right(self, name: str, address: str) -> None:
        """Give the try back, and remember the place."""
        with self._lock:
            now = self._wall.now().timestamp()
            for key, allowance in self._buckets(name, address):
                self._put(key, max(self._level(key, allowance, now) - 1, 0), now)
            self._right[(name, net(address))] = None
            self._right.move_to_end((name, net(address)))
            _bounded(self._right)

    def _buckets(self, name: str, address: str) -> list[tuple[tuple[str, ...], Allowance]]:
        where = net(address)
        if (name, where) in self._right:
            return [(("place", name, where), PER_PLACE)]
        return [(("name", name), PER_NAME), (("address", where), PER_ADDRESS)]

    def _level(self, key: tuple[str, ...], allowance: Allowance, now: float) -> float:
        spent, at = self._spent.get(key, (0.0, now))
        return max(spent - max(now - at, 0.0) / allowance.one_more_s, 0.0)

    def _wait(self, key: tuple[str, ...], allowance: Allowance, now: float) -> float:
        return max(self._level(key, allowance, now) + 1 - allowance.at_once, 0.0) * allowance.one_more_s

    def _put(self, key: tuple[str, ...], spent: float, now: float) -> None:
        self._spent[key] = (spent, now)
        self._spent.move_to_end(key)
        _bounded(self._spent)


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


def _bounded(book: OrderedDict) -> None:
    for key in _oldest(book, len(book) - REMEMBERED):
        del book[key]


def _oldest(book: Iterable, count: int) -> list:
    return [key for key, _ in zip(book, range(count), strict=False)] if count > 0 else []
