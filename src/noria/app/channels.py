"""The home's channels to people: kept in `channels.json`, readable by its owner alone since it holds secrets."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from noria.adapters.told_in_log import ToldInLog
from noria.core.errors import NoriaError, NotAllowed, NotFound, SettingsInvalid
from noria.core.notices import Notice, Told, Words
from noria.ports import wire
from noria.ports.clock import Clock
from noria.ports.notify import Channel, Notify
from noria.ports.posting import checked

FILE = "channels.json"
LOG = "log"
"""The channel that every home has: lines in `notices.log`."""
KINDS = ("webhook", "email", "slack", "feishu", "dingtalk", "wecom", "pagerduty")
SIGNING = ("webhook", "feishu", "dingtalk", "pagerduty")
SEVERITIES = ("page", "notice")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSetup:
    """One channel as it is kept; `url`, `secret` and `password` may be `env:NAME`, read when a notice is told.

    Attributes:
        takes: Severities it is told of: "page", "notice".
        loops: Loops it is told of; empty = all.
        secret: What signs (webhook, Feishu, DingTalk), or PagerDuty's routing key.
        plain_http: Allow an http address beyond this machine.
        title, text: Templates, see `noria.core.notices.Words`.
        host, port, tls, user, password, sender, to, authorities: Of e-mail.
    """

    name: str
    kind: str
    url: str = ""
    secret: str = ""
    takes: tuple[str, ...] = SEVERITIES
    loops: tuple[str, ...] = ()
    plain_http: bool = False
    title: str = Words().title
    text: str = Words().text
    host: str = ""
    port: int = 587
    tls: str = "starttls"
    user: str = ""
    password: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()
    authorities: str = ""

    @property
    def words(self) -> Words:
        """Its templates."""
        return Words(title=self.title, text=self.text)

    @property
    def where(self) -> str:
        """Where it leads, without its secrets: what may be shown."""
        if self.kind == "email":
            return f"{', '.join(self.to)} by {self.host}:{self.port}"
        if self.url.startswith("env:"):
            return self.url
        return f"{urlsplit(self.url).scheme}://{urlsplit(self.url).netloc}/…" if self.url else "its usual address"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The file."""

    format: int = 1
    channels: tuple[ChannelSetup, ...] = field(default=())


def setups(home: Path) -> list[ChannelSetup]:
    """The channels that a person has added.

    Raises:
        DataInvalid: the file cannot be read.
    """
    try:
        return list(wire.load((home / FILE).read_bytes(), _Kept).channels)
    except FileNotFoundError:
        return []


def add(home: Path, setup: ChannelSetup) -> ChannelSetup:
    """Keep a channel, new or in place of the one of its name; a webhook without a secret is given one.

    Raises:
        SettingsInvalid: something in it cannot work.
    """
    if setup.kind == "webhook" and not setup.secret:
        setup = replace(setup, secret="whsec_" + b64encode(secrets.token_bytes(24)).decode())
    _check(setup)
    _keep(home, [one for one in setups(home) if one.name != setup.name] + [setup])
    return setup


def remove(home: Path, name: str) -> ChannelSetup:
    """Forget a channel.

    Raises:
        NotFound: there is none of that name.
    """
    known = setups(home)
    gone = next((one for one in known if one.name == name), None)
    if gone is None:
        raise NotFound(
            f"no channel {name!r}; there are {', '.join(one.name for one in known) or 'none'}", fix="`noria channels` lists them"
        )
    _keep(home, [one for one in known if one.name != name])
    return gone


class HomeChannels:
    """The home's channels, opened; the file is read again when it changed. Thread-safe."""

    def __init__(self, home: Path, *, wall: Clock, environ: Mapping[str, str] = os.environ) -> None:
        self._home, self._wall, self._environ = home, wall, environ
        self._log = Channel(name=LOG, notify=ToldInLog(home / "notices.log", clock=wall))
        self._lock = threading.Lock()
        self._mark: object = None
        self._open: list[Channel] = []

    def all(self) -> Sequence[Channel]:
        """Every channel, the log first."""
        with self._lock:
            mark = self._marked()
            if mark != self._mark:
                self._open, self._mark = [self._opened(setup) for setup in setups(self._home)], mark
            return [self._log, *self._open]

    def _marked(self) -> object:
        try:
            found = (self._home / FILE).stat()
        except FileNotFoundError:
            return "none"
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _opened(self, setup: ChannelSetup) -> Channel:
        notify = Resolved(setup, wall=self._wall, environ=self._environ)
        return Channel(name=setup.name, notify=notify, takes=frozenset(setup.takes), loops=frozenset(setup.loops))


class Resolved:
    """A channel whose `env:` secrets are looked up when it tells, so that they never lie on a disk."""

    def __init__(self, setup: ChannelSetup, *, wall: Clock, environ: Mapping[str, str]) -> None:
        self._setup, self._wall, self._environ = setup, wall, environ

    def tell(self, notice: Notice) -> Told:
        """See `noria.ports.notify.Notify`."""
        try:
            url, secret, password = (_resolved(one, self._environ) for one in (self._setup.url, self._setup.secret, self._setup.password))
            notify = open_channel(replace(self._setup, url=url, secret=secret, password=password), wall=self._wall)
        except NoriaError as error:
            return Told(arrived=False, said=error.message)
        return notify.tell(notice)


def open_channel(setup: ChannelSetup, *, wall: Clock) -> Notify:
    """The adapter of a channel's kind.

    Raises:
        SettingsInvalid: there is no such kind.
    """
    words, url, plain = setup.words, setup.url, setup.plain_http
    match setup.kind:
        case "webhook":
            from noria.adapters.tell_webhook import Webhook

            return Webhook(url, secret=setup.secret, words=words, wall=wall, plain=plain)
        case "slack":
            from noria.adapters.tell_slack import Slack

            return Slack(url, words=words, plain=plain)
        case "feishu":
            from noria.adapters.tell_feishu import Feishu

            return Feishu(url, secret=setup.secret, words=words, wall=wall, plain=plain)
        case "dingtalk":
            from noria.adapters.tell_dingtalk import DingTalk

            return DingTalk(url, secret=setup.secret, words=words, wall=wall, plain=plain)
        case "wecom":
            from noria.adapters.tell_wecom import WeCom

            return WeCom(url, words=words, plain=plain)
        case "pagerduty":
            from noria.adapters.tell_pagerduty import PagerDuty

            return PagerDuty(url, secret=setup.secret, words=words, plain=plain)
        case "email":
            from noria.adapters.tell_email import Email, Server

            server = Server(
                host=setup.host,
                port=setup.port,
                tls=setup.tls,
                user=setup.user,
                password=setup.password,
                authorities=setup.authorities,
            )
            return Email(server, sender=setup.sender, to=setup.to, words=words, wall=wall)
    raise SettingsInvalid(f"there is no kind of channel {setup.kind!r}", fix=f"choose {', '.join(KINDS)}")


def _check(setup: ChannelSetup) -> None:
    if setup.kind not in KINDS:
        raise SettingsInvalid(f"there is no kind of channel {setup.kind!r}", fix=f"choose {', '.join(KINDS)}")
    if not setup.name or setup.name == LOG or not setup.name.replace("-", "").replace("_", "").isalnum():
        raise SettingsInvalid(f"a channel cannot be named {setup.name!r}", fix="use letters, digits and dashes; `log` is taken")
    unknown = [one for one in setup.takes if one not in SEVERITIES]
    if unknown or not setup.takes:
        raise SettingsInvalid(f"severity {', '.join(unknown) or 'none'} is unknown", fix="take page, notice or both")
    setup.words.check()
    if setup.kind == "email":
        _check_email(setup)
    elif setup.url and not setup.url.startswith("env:"):
        checked(setup.url, plain=setup.plain_http)
    elif not setup.url and setup.kind != "pagerduty":
        raise SettingsInvalid(f"a {setup.kind} channel needs an address", fix="give it as --url, or as --url env:NAME")
    if setup.kind == "pagerduty" and not setup.secret:
        raise SettingsInvalid("PagerDuty needs its routing key", fix="give it as --secret, or as --secret env:NAME")
    if setup.secret and setup.kind not in (*SIGNING, "email"):
        raise SettingsInvalid(f"a {setup.kind} channel takes no secret: its address is one", fix=f"these sign: {', '.join(SIGNING)}")


def _check_email(setup: ChannelSetup) -> None:
    missing = [name for name, given in (("--host", setup.host), ("--from", setup.sender), ("--to", setup.to)) if not given]
    if missing:
        raise SettingsInvalid(f"e-mail needs {', '.join(missing)}", fix="see `noria channels --help`")
    if setup.tls not in ("starttls", "tls", "none"):
        raise SettingsInvalid(f"tls is {setup.tls!r}", fix="write starttls, tls or none")


def _resolved(value: str, environ: Mapping[str, str]) -> str:
    if not value.startswith("env:"):
        return value
    found = environ.get(value.removeprefix("env:"), "")
    if not found:
        raise SettingsInvalid(f"the environment has no {value.removeprefix('env:')}", fix="set it where the control plane is started")
    return found


def _keep(home: Path, channels: Sequence[ChannelSetup]) -> None:
    home.mkdir(parents=True, exist_ok=True)
    unfinished = home / f"{FILE}.new"
    with contextlib.suppress(FileNotFoundError):
        unfinished.unlink()
    try:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise NotAllowed(f"somebody else writes {FILE} just now", fix="try again") from error
    with os.fdopen(handle, "wb") as out:
        out.write(wire.dump(_Kept(channels=tuple(channels))))
        out.flush()
        os.fsync(out.fileno())
    unfinished.replace(home / FILE)
