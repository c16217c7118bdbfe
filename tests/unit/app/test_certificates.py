"""TLS by two files: shown by a server, trusted by the home's own commands, and renewed while at work."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from noria.app.certificates import Certificate, Renewal, certificate, client_context, server_context
from noria.app.settings import Settings
from noria.core.errors import SettingsInvalid

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def make(folder: Path, name: str, *more: str) -> Certificate:
    """A certificate for `name`, signed by itself."""
    files = Certificate(chain=folder / f"{name}.pem", key=folder / f"{name}.key")
    encrypted = more or ("-nodes",)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2", "-subj", f"/CN={name}"]
    command += ["-addext", f"subjectAltName=DNS:{name}", "-keyout", str(files.key), "-out", str(files.chain), *encrypted]
    subprocess.run(command, check=True, capture_output=True)
    return files


async def shown(port: int, client: ssl.SSLContext) -> str:
    """The name in the certificate that a port shows."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
    found = dict(pair[0] for pair in writer.get_extra_info("peercert")["subject"])["commonName"]
    writer.close()
    await writer.wait_closed()
    return found


def settings_of(folder: Path, files: Certificate) -> Settings:
    return Settings(home=str(folder), tls_cert=str(files.chain), tls_key=files.key.name)


def test_the_homes_own_commands_trust_its_certificate_and_no_other(tmp_path) -> None:
    ours, theirs = make(tmp_path, "ours"), make(tmp_path, "theirs")
    settings = settings_of(tmp_path, ours)
    assert certificate(settings) == ours and settings.scheme == "https"
    assert (certificate(Settings()), client_context(Settings()), Settings().scheme) == (None, True, "http")

    async def scenario() -> None:
        for files, trusted in ((ours, True), (theirs, False)):
            server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=server_context(files))
            port = server.sockets[0].getsockname()[1]
            if trusted:
                assert await shown(port, client_context(settings)) == "ours"
            else:
                with pytest.raises(ssl.SSLCertVerificationError):
                    await shown(port, client_context(settings))
            server.close()
            await server.wait_closed()

    asyncio.run(scenario())


def test_a_renewed_certificate_is_shown_and_a_bad_one_leaves_the_old(tmp_path) -> None:
    old, new = make(tmp_path, "old"), make(tmp_path, "new")
    live = Certificate(chain=tmp_path / "live.pem", key=tmp_path / "live.key")
    problems: dict[str, str] = {}
    client = ssl.create_default_context()
    for files in (old, new):
        client.load_verify_locations(files.chain)
    client.check_hostname = False

    def put(files: Certificate, *, key: bool = True) -> None:
        shutil.copyfile(files.chain, tmp_path / "fresh")
        (tmp_path / "fresh").rename(live.chain)
        if key:
            shutil.copyfile(files.key, tmp_path / "fresh")
            (tmp_path / "fresh").rename(live.key)

    async def scenario() -> None:
        put(old)
        context = server_context(live)
        renewal = Renewal(context, live, problems.__setitem__)
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        renewal.look()
        assert await shown(port, client) == "old" and problems == {}
        put(new, key=False)
        renewal.look()
        assert await shown(port, client) == "old" and "the old one stays" in problems["tls"]
        put(new)
        renewal.look()
        assert await shown(port, client) == "new" and problems["tls"] == ""
        live.key.unlink()
        renewal.look()
        assert await shown(port, client) == "new" and "no file" in problems["tls"]
        server.close()
        await server.wait_closed()

    asyncio.run(scenario())


def test_what_cannot_be_used_says_why(tmp_path) -> None:
    files = make(tmp_path, "fine")
    with pytest.raises(SettingsInvalid, match="encrypted"):
        server_context(make(tmp_path, "locked", "-passout", "pass:secret"))
    with pytest.raises(SettingsInvalid, match="no file"):
        server_context(Certificate(chain=tmp_path / "none.pem", key=files.key))
    with pytest.raises(SettingsInvalid, match="cannot be used"):
        server_context(Certificate(chain=files.key, key=files.key))
    with pytest.raises(SettingsInvalid, match="one of tls_cert and tls_key"):
        Settings(tls_cert="cert.pem")
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        client_context(settings_of(tmp_path, Certificate(chain=tmp_path / "none.pem", key=files.key)))
