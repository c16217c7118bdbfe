"""The one door of the control plane: from what a request shows to who calls, or a refusal that says what to show."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from noria.core.errors import Forbidden, TooManyTries, Unauthorised
from noria.core.identities import TokenUse, canonical, principal_of, token_id
from noria.core.rights import ANYWHERE, LOCAL, Principal, Role
from noria.ledger.access.access import Access
from noria.server.shown import FORWARDED, SAFE, Shown, Way, sent_by_another_site, shown

T = TypeVar("T")

HOME = Principal(name="home", roles={ANYWHERE: Role.ADMIN}, token="home")
"""Whoever shows the home's own token: its commands, its supervisor, its data plane."""

LOOK_S = 1.0
"""A change of users, tokens and sessions counts after so long, in every process."""

PASSWORD_S = 300.0
"""A password sent with each request (HTTP Basic) is held against its slow hash once in so long."""

USED_S = 60.0
"""The last use of a token is kept no more often than this."""

MOST, WAITING = 20_000, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A caller who was let in, until when (wall seconds), and what orders from its pages must repeat."""

    principal: Principal
    until: float
    csrf: str = ""


class Door:
    """Lets callers in, or not. Thread-safe.

    Args:
        token: The home's own, which opens everything; "" = there is none.
        asks: Everybody is asked who they are, whether or not there are users: where more than this machine can call.
        hint: How a person finds the home's token, one sentence.
        cookie: Name of the session's cookie.
        origin: Where people reach the page, `https://host`, when it is another address than the one bound.
    """

    def __init__(
        self, access: Access, *, token: str = "", asks: bool = True, hint: str = "", cookie: str = "noria-session", origin: str = ""
    ) -> None:
        self.access = access
        self.cookie = cookie
        self.origin = origin
        self._token = token.encode()
        self._always = asks
        self._hint = hint
        self._salt = os.urandom(32)
        self._lock = threading.Lock()
        self._turns = tuple(threading.Lock() for _ in range(64))
        self._cache: dict[bytes, _Held] = {}
        self._asks, self._revision, self._looked_s = True, -1, -LOOK_S
        self._uses: dict[str, TokenUse] = {}
        self._kept_s: dict[str, float] = {}
        self._quick = ThreadPoolExecutor(4, thread_name_prefix="door")
        self._slow = ThreadPoolExecutor(2, thread_name_prefix="password")
        self._waiting = 0

    @property
    def secure(self) -> bool:
        """Whether cookies go over TLS alone."""
        return self.cookie.startswith("__Host-")

    @property
    def asks(self) -> bool:
        """Whether everybody is asked who they are, as of the last look."""
        return self._always or self._asks

    def known(self, headers: Mapping[str, str], *, method: str = "POST", address: str = "") -> Principal | None:
        """Who calls, if that is known without a look at the records; None = ask `caller`, in a thread. Takes some microseconds.

        Args: as for `caller`.

        Raises: as `caller`.
        """
        if time.monotonic() - self._looked_s >= LOOK_S:
            return None
        if not self.asks:
            return self._unasked(headers, method)
        what = self._shown(headers)
        held = self._cache.get(self._key(what))
        if held is None or held.until <= self._now():
            return None
        return self._let_in(held, what, headers, method, address)

    def caller(self, headers: Mapping[str, str], *, method: str = "POST", address: str = "") -> Principal:
        """Who calls. Reads the records, and holds a password against its slow hash: call it in a thread, after `known`.

        Args:
            headers: By lower-case name, each name once (`noria.server.shown.headers_of`).
            method: What changes something is refused when another site's page made a browser send it.
            address: Where it comes from, for the limits on wrong passwords and the record of last use.

        Raises:
            Unauthorised: it shows nothing, or what opens nothing (401).
            TooManyTries: an `Unauthorised`, of a password that was not looked at.
            Forbidden: another site's page made a browser send it, or an order lacks its session's CSRF token (403).
        """
        self._look()
        if not self.asks:
            return self._unasked(headers, method)
        what = self._shown(headers)
        key = self._key(what)
        with self._turns[key[0] % 64]:  # of many requests with one password, one is held against the hash
            held = self._cache.get(key)
            if held is None or held.until <= self._now():
                revision = self._revision
                held = self._opened(what, address)
                with self._lock:
                    if revision == self._revision:  # else it may have changed since it was read
                        if len(self._cache) >= MOST:
                            self._cache.clear()
                        self._cache[key] = held
        return self._let_in(held, what, headers, method, address)

    async def enter(self, headers: Mapping[str, str], *, method: str = "POST", address: str = "") -> Principal:
        """`known`, else `caller` in a thread of the door's own: those who wait for a slow hash hold nobody else up.

        Raises: as `caller`.
        """
        found = self.known(headers, method=method, address=address)
        if found is not None:
            return found
        if shown(headers, self.cookie).way is Way.PASSWORD:
            return await self.slowly(lambda: self.caller(headers, method=method, address=address))
        work = asyncio.get_running_loop().run_in_executor(self._quick, lambda: self.caller(headers, method=method, address=address))
        return await work

    async def slowly(self, work: Callable[[], T]) -> T:
        """Do what needs a slow hash, two at a time.

        Raises:
            TooManyTries: many wait for theirs already.
        """
        if self._waiting >= WAITING:
            raise TooManyTries("many are logging in", retry_after_s=2.0, fix="try again in some seconds")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._slow, work)
        finally:
            self._waiting -= 1

    def csrf_of(self, headers: Mapping[str, str]) -> str:
        """What orders from the pages of a caller who was just let in must repeat; "" when it was no session."""
        held = self._cache.get(self._key(shown(headers, self.cookie)))
        return held.csrf if held else ""

    def look_now(self) -> None:
        """Let what was changed in this process count at once."""
        self._looked_s = -LOOK_S

    def keep_uses(self) -> None:
        """Write down when tokens were last used, each at most once in `USED_S`: call it now and then, in a thread."""
        now_s = time.monotonic()
        due = [id for id in list(self._uses) if now_s - self._kept_s.get(id, -USED_S) >= USED_S]
        self.access.tokens.used([self._uses.pop(id) for id in due])
        self._kept_s.update(dict.fromkeys(due, now_s))

    def _look(self) -> None:
        with self._lock:
            if time.monotonic() - self._looked_s < LOOK_S:
                return
            self._asks, revision = self.access.asked()
            if revision != self._revision:
                self._cache.clear()
                self._revision = revision
            self._looked_s = time.monotonic()

    def _unasked(self, headers: Mapping[str, str], method: str) -> Principal:
        """The machine's own user; but not what came through a proxy, nor what another site made a browser send."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        if self._token and kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._token):
            return HOME
        if any(name in headers for name in FORWARDED):
            raise Unauthorised(
                "this came through a proxy, and this server lets its own machine in without asking",
                fix="make a user before you put a proxy before it: `noria users add NAME --role admin`",
            )
        self._from_here(headers, method)
        return LOCAL

    def _shown(self, headers: Mapping[str, str]) -> Shown:
        what = shown(headers, self.cookie)
        if what.way is Way.NOTHING or not what.secret:
            raise self._stranger("it is not known who calls" if what.way is Way.NOTHING else "what was shown opens nothing")
        return what

    def _stranger(self, said: str) -> Unauthorised:
        return Unauthorised(said, fix=f"send the header `Authorization: Bearer <token>`, or log in at /login. {self._hint}".strip())

    def _key(self, what: Shown) -> bytes:
        said = "\0".join((what.way, what.name, what.secret)).encode("utf-8", "replace")
        return hashlib.blake2b(said, key=self._salt, digest_size=32).digest()

    def _opened(self, what: Shown, address: str) -> _Held:
        now = self._now()
        if what.way is Way.SESSION:
            principal, session, until = self.access.entry.session(what.secret)
            return _Held(principal=principal, until=until.timestamp(), csrf=session.csrf)
        if self._token and hmac.compare_digest(what.secret.encode("utf-8", "replace"), self._token):
            return _Held(principal=HOME, until=now + PASSWORD_S)
        if what.way is Way.PASSWORD and not token_id(what.secret):
            user = self.access.entry.by_password(what.name, what.secret, address=address)
            return _Held(principal=principal_of(user), until=now + PASSWORD_S)
        if not token_id(what.secret):
            raise self._stranger("this token opens nothing")
        principal, ends = self.access.tokens.speaks_for(what.secret)
        if what.way is Way.PASSWORD and canonical(what.name) not in ("", principal.name):
            raise Unauthorised(f"this is no token of {what.name[:80]!r}", fix="give the name of the token's user, or none")
        return _Held(principal=principal, until=min(now + PASSWORD_S, ends.timestamp() if ends else now + PASSWORD_S))

    def _let_in(self, held: _Held, what: Shown, headers: Mapping[str, str], method: str, address: str) -> Principal:
        if what.way is not Way.TOKEN:  # a browser sends cookies and Basic by itself, whoever asks it to
            self._from_here(headers, method)
        if (
            what.way is Way.SESSION
            and method not in SAFE
            and not hmac.compare_digest(headers.get("x-csrf-token", "").encode("utf-8", "replace"), held.csrf.encode())
        ):
            raise Forbidden("this order lacks the CSRF token of its session", fix="load the page again")
        if held.principal.token and what.way is not Way.SESSION and held.principal is not HOME:
            self._uses[held.principal.token] = TokenUse(token=held.principal.token, at=self.access.wall.now(), address=address[:64])
        return held.principal

    def _from_here(self, headers: Mapping[str, str], method: str) -> None:
        if method not in SAFE and sent_by_another_site(headers, self.origin):
            raise Forbidden("another site's page made the browser send this", fix="order it from Noria's own page")

    def _now(self) -> float:
        return self.access.wall.now().timestamp()
