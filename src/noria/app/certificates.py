"""TLS where the settings name a certificate: for the servers, and for commands that ask the home's own servers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from noria.app.settings import Settings
from noria.core.errors import SettingsInvalid

LOOK_S = 1.0
"""How often it is looked whether the files are others now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate with its chain, and its key: two PEM files."""

    chain: Path
    key: Path


def certificate(settings: Settings) -> Certificate | None:
    """What the settings name; None = plain HTTP. Paths are seen from the home."""
    if not settings.tls_cert:
        return None
    return Certificate(chain=settings.folder / settings.tls_cert, key=settings.folder / settings.tls_key)


def server_context(files: Certificate) -> ssl.SSLContext:
    """What a server shows: TLS 1.2 and up.

    Raises:
        SettingsInvalid: a file cannot be read, is encrypted, or they do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load(context, files)
    return context


def client_context(settings: Settings) -> ssl.SSLContext | bool:
    """What makes a client of this machine trust the home's own servers, and nobody else: httpx's `verify`.

    The very certificate is trusted, whatever host it names: commands ask the bound address.
    """
    files = certificate(settings)
    if files is None:
        return True
    try:
        context = ssl.create_default_context(cafile=str(files.chain))
    except (OSError, ssl.SSLError) as error:
        raise SettingsInvalid(f"tls_cert {files.chain} cannot be read: {error}") from error
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


class Renewal:
    """Follows the files, so that a renewed certificate is shown without a restart.

    Args:
        report: Says a problem, or takes it back with "".
    """

    def __init__(self, context: ssl.SSLContext, files: Certificate, report: Callable[[str, str], None]) -> None:
        self._context = context
        self._files = files
        self._report = report
        self._seen = self._stamp()

    async def follow(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Show the new certificate if there is one; one that cannot be used leaves the old, and is reported."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            server_context(self._files)  # on the side first: a key that does not fit would spoil the one at work
            _load(self._context, self._files)
            self._report("tls", "")
        except SettingsInvalid as error:
            self._report("tls", f"the new certificate cannot be used, the old one stays: {error.message}")

    def _stamp(self) -> tuple[tuple[int, int], ...]:
        return tuple(_stamp(file) for file in (self._files.chain, self._files.key))


def _load(context: ssl.SSLContext, files: Certificate) -> None:
    def encrypted() -> str:
        raise SettingsInvalid(f"tls_key {files.key} is encrypted", fix="keep a key without a passphrase, readable by the server alone")

    for name, file in (("tls_cert", files.chain), ("tls_key", files.key)):
        if not file.is_file():
            raise SettingsInvalid(f"{name}: there is no file {file}", fix="name a PEM file, absolute or seen from the home")
    try:
        context.load_cert_chain(files.chain, files.key, password=encrypted)
    except (OSError, ssl.SSLError) as error:
        raise SettingsInvalid(f"tls_cert {files.chain} and tls_key {files.key} cannot be used: {error}") from error


def _stamp(file: Path) -> tuple[int, int]:
    try:
        stat = file.stat()
    except OSError:
        return (0, 0)
    return stat.st_mtime_ns, stat.st_ino
