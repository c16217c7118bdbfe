"""Where a Noria lives and how its processes find each other: one frozen value, read once.

A home is made by `noria up` (or `noria demo`); its settings are kept in `settings.json`, so that
every process of that home reads the same. Environment variables win over the file.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from noria.client.place import VARIABLES
from noria.core.errors import NotFound, SettingsInvalid
from noria.core.moments import duration
from noria.core.sizes import size_bytes
from noria.ports import wire

FILE = "settings.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings; each is also an environment variable, `NORIA_` and its name in capitals.

    Attributes:
        home: Folder that holds everything.
        records: "sqlite" (a file in the home) or a `postgresql://…` URL.
        blobs: "files" (a folder in the home) or `s3://BUCKET/PREFIX`, with the extra `s3`.
        blobs_endpoint: Base URL of a store that speaks as S3 does; AWS's own when left out.
        blobs_region: Of the bucket; what `AWS_REGION` says when left out.
        blobs_cache: What local copies of blobs from S3 may take, such as "4GB", but for those in use.
        direct_downloads: Whether MLflow clients that download in parts get signed addresses of S3's own.
        host: Address that servers bind; anything but a loopback address asks for the token everywhere.
        port: Control plane and page.
        serve_port: Data plane.
        grpc_port: Data plane over gRPC, with the extra `grpc`; 0 for none.
        clock: "system", or "turned" for a replay's event clock.
        compact_every, look_every, bucket: Durations in event time, see `noria.loop.world.Cadence`.
        otlp: Base URL of an OpenTelemetry collector (OTLP over HTTP); "" tells nobody.
        otlp_requests: Share of requests that are told to it as spans, 0 to 1.
        openlineage: Where turns are told of by OpenLineage: a server's URL, or a file; "" tells nobody.
        openlineage_key: What that server asks for, sent as a bearer token.
        lease_s: Wall seconds after which a silent process loses its turns.
        deployment: Answers where a protocol's call names none, such as MLflow's; the only one when left out.
        workers: Processes of the data plane, which share its port: a number, "cores" for one per core, or "1-4" or
            "1-cores": as many as the load wants between the two.
        server_workers: Processes of the control plane, which share its port: a number, or "cores" for one per core.
        model_processes: Processes of each champion that answers apart (`nr.Loop(…, isolated=True)`).
        model_timeout_ms: Such a champion's request has this long; a process that is silent for longer is replaced.
        model_growth_mb: Memory that a model's process may take beyond what it had when it had loaded; 0 = any.
        model_idle: A model that nobody asked for this long, such as "30m", is let go, and loaded again when it is asked for; "" = none is.
        model_memory: What models may take together in a data plane process, such as "2GB"; they are loaded when they are
            asked for, then. When left out, up to 200 deployments are all loaded, more within half of the machine's memory.
        max_body_bytes, max_header_bytes: Of one request to the data plane; a body counts unpacked.
        max_background_bytes: Of a request whose answer nobody waits for.
        max_rows: Of one request that somebody waits for.
        max_seconds: Of one request, until its answer.
        max_in_flight: Requests under way in one data plane process.
        max_in_flight_per_deployment: Of these, of one deployment.
        max_connections: Open to one data plane process.
        tls_cert, tls_key: PEM files of a certificate with its chain, and of its key: both servers speak TLS with them.
        proxies: Addresses of proxies before the control plane, with commas: of them alone it is believed where a call comes from.
        webhook_hosts: Hosts and networks that MLflow's webhooks may go to although they are private, by plain HTTP too, such as
            "hooks.internal, 10.0.0.0/8".
        page_url: Where people reach the page, for the links in notices; the bound address when left out.
    """

    home: str = ".noria"
    records: str = "sqlite"
    blobs: str = "files"
    blobs_endpoint: str = ""
    blobs_region: str = ""
    blobs_cache: str = "4GB"
    direct_downloads: bool = False
    host: str = "127.0.0.1"
    port: int = 7700
    serve_port: int = 7701
    grpc_port: int = 0
    clock: str = "system"
    compact_every: str = "10s"
    look_every: str = "15s"
    bucket: str = "10m"
    otlp: str = ""
    otlp_requests: float = 0.0
    openlineage: str = ""
    openlineage_key: str = ""
    lease_s: float = 30.0
    deployment: str = ""
    workers: str = "1"
    server_workers: str = "1"
    model_processes: int = 1
    model_timeout_ms: float = 2_000.0
    model_growth_mb: int = 1_024
    trust_python: bool = False
    model_memory: str = ""
    model_idle: str = ""
    max_body_bytes: int = 1_048_576
    max_background_bytes: int = 33_554_432
    max_header_bytes: int = 32_768
    max_rows: int = 1_000
    max_seconds: float = 60.0
    max_in_flight: int = 4_096
    max_in_flight_per_deployment: int = 3_072
    max_connections: int = 4_096
    tls_cert: str = ""
    tls_key: str = ""
    proxies: str = ""
    webhook_hosts: str = ""
    page_url: str = ""

    @property
    def folder(self) -> Path:
        """The home as an absolute path."""
        return Path(self.home).expanduser().resolve()

    @property
    def told_hosts(self) -> tuple[str, ...]:
        """The entries of `webhook_hosts`."""
        return tuple(one.strip().lower() for one in self.webhook_hosts.split(",") if one.strip())

    @property
    def scheme(self) -> str:
        """What the servers' addresses begin with."""
        return "https" if self.tls_cert else "http"

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the servers."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def worker_bounds(self) -> tuple[int, int]:
        """Processes of the data plane: at least and at most."""
        low, between, high = self.workers.partition("-")
        counts = [available_cores() if one == "cores" else int(one) for one in ((low, high) if between else (low, low))]
        return counts[0], max(counts)

    @property
    def server_processes(self) -> int:
        """Processes of the control plane."""
        return available_cores() if self.server_workers == "cores" else int(self.server_workers)

    def __post_init__(self) -> None:
        for name in ("compact_every", "look_every", "bucket"):
            try:
                duration(getattr(self, name))
            except ValueError as error:
                raise SettingsInvalid(f"{name}: {error}") from error
        try:
            duration(self.model_idle or "1s")
        except ValueError as error:
            raise SettingsInvalid(f"model_idle: {error}") from error
        for name in ("model_memory", "blobs_cache"):
            try:
                size_bytes(getattr(self, name) or "0B")
            except ValueError as error:
                raise SettingsInvalid(f"{name}: {error}") from error
        if self.blobs != "files" and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/.*)?", self.blobs):
            raise SettingsInvalid(f"blobs is {self.blobs!r}", fix="write 'files' or s3://BUCKET/PREFIX")
        if self.blobs_endpoint and not self.blobs_endpoint.startswith(("http://", "https://")):
            raise SettingsInvalid(f"blobs_endpoint is {self.blobs_endpoint!r}", fix="write a base URL, such as http://127.0.0.1:9000")
        if self.otlp and not self.otlp.startswith(("http://", "https://")):
            raise SettingsInvalid(f"otlp is {self.otlp!r}", fix="write the collector's base URL, such as http://127.0.0.1:4318")
        if not 0 <= self.otlp_requests <= 1:
            raise SettingsInvalid(f"otlp_requests is {self.otlp_requests:g}", fix="write a share between 0 and 1")
        if not re.fullmatch(r"(cores|[1-9]\d{0,2})(-(cores|[1-9]\d{0,2}))?", self.workers) or max(self.worker_bounds) > 256:
            raise SettingsInvalid(
                f"workers is {self.workers!r}", fix="write a number from 1 to 256, 'cores', or bounds such as '1-4' or '1-cores'"
            )
        if not re.fullmatch(r"cores|[1-9]\d{0,1}", self.server_workers):
            raise SettingsInvalid(f"server_workers is {self.server_workers!r}", fix="write a number from 1 to 99, or 'cores'")
        if self.model_processes < 1 or self.model_timeout_ms <= 0 or self.model_growth_mb < 0:
            raise SettingsInvalid(
                f"model_processes is {self.model_processes}, model_timeout_ms {self.model_timeout_ms:g}, "
                f"model_growth_mb {self.model_growth_mb}",
                fix="write at least one process, some time, and 0 or more megabytes",
            )
        for name in (field.name for field in fields(self) if field.name.startswith("max_")):
            if not getattr(self, name) > 0:
                raise SettingsInvalid(f"{name} is {getattr(self, name)}", fix="write a number above 0")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise SettingsInvalid("one of tls_cert and tls_key is not set", fix="name both files, or neither")
        if self.clock not in ("system", "turned"):
            raise SettingsInvalid(f"clock is {self.clock!r}", fix="write 'system' or 'turned'")


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read(home: str | Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of a home: the file in it, then the environment.

    Raises:
        SettingsInvalid: an unknown `NORIA_*` name (the nearest known one is named) or a malformed value.
    """
    given = _from_environment(environ)
    folder = Path(home or str(given.get("home") or Settings().home)).expanduser().resolve()
    file = folder / FILE
    base = wire.load(file.read_bytes(), Settings) if file.exists() else Settings()
    return Settings(**{**wire.plain(base), **given, "home": str(folder)})


def keep(settings: Settings) -> Settings:
    """Write the settings into their home, so that its other processes read the same."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    unfinished = settings.folder / f"{FILE}.new"
    unfinished.write_bytes(wire.dump(settings))
    unfinished.replace(settings.folder / FILE)
    return settings


def find_home(start: Path | None = None) -> Path:
    """The home of this folder or of the nearest one above it.

    Raises:
        NotFound: there is none.
    """
    named = os.environ.get("NORIA_HOME")
    if named:
        return Path(named).expanduser().resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / ".noria" / FILE).exists():
            return folder / ".noria"
    raise NotFound(f"no Noria home in {here} or above it", fix="run `noria up FILE.py` first, or set NORIA_HOME")


def token(settings: Settings) -> str:
    """The home's secret for verbs over HTTP, made on first use, readable by its owner alone."""
    file = settings.folder / "token"
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        settings.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_urlsafe(32))
        return file.read_text().strip()


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    known = {f.name: f.type for f in fields(Settings)}
    found: dict[str, object] = {}
    for variable, text in environ.items():
        if not variable.startswith("NORIA_"):
            continue
        name = variable.removeprefix("NORIA_").lower()
        if variable in VARIABLES:
            continue
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean NORIA_{near[0].upper()}?" if near else f"known: {', '.join(f'NORIA_{k.upper()}' for k in known)}"
            raise SettingsInvalid(f"unknown setting {variable}", fix=hint)
        kind = _KINDS.get(str(known[name]), ("text", str))
        try:
            found[name] = kind[1](text)
        except (ValueError, KeyError) as error:
            raise SettingsInvalid(f"{variable} is {text!r}", fix=f"write {kind[0]}") from error
    return found


_KINDS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "int": ("an int", int),
    "float": ("a float", float),
    "bool": ("true or false", lambda text: {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]),
}
