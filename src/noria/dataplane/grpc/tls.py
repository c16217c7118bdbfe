"""TLS for gRPC, by the same two files as HTTP."""

from __future__ import annotations

import grpc

from noria.app.certificates import Certificate, server_context
from noria.core.errors import SettingsInvalid


def credentials(files: Certificate) -> grpc.ServerCredentials:
    """What the server shows; the files are read again for a new connection when they have changed and can be used.

    Raises:
        SettingsInvalid: they cannot be used now.
    """
    server_context(files)
    seen = _stamp(files)

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal seen
        try:
            stamp = _stamp(files)
            if stamp == seen:
                return None
            server_context(files)
            seen = stamp
            return _read(files)
        except (OSError, SettingsInvalid):
            return None

    return grpc.dynamic_ssl_server_credentials(_read(files), renewed)


def _read(files: Certificate) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(files.key.read_bytes(), files.chain.read_bytes())])


def _stamp(files: Certificate) -> tuple[int, int]:
    return files.chain.stat().st_mtime_ns, files.key.stat().st_mtime_ns
