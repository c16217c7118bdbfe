"""The contracts of platforms that run a container: what their environment variables ask of the data plane."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from noria.core.errors import SettingsInvalid

PORT = 8080
"""Where SageMaker and Vertex AI look when they say nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """Where a platform calls this process.

    Attributes:
        platform: "SageMaker" or "Vertex AI"; "" when nobody hosts it.
        port: What it must listen on, at every address of the container; 0 leaves it to the settings.
        predict: Paths that take predictions beside `/invocations`.
        health: Paths that tell health beside `/ping`.
    """

    platform: str = ""
    port: int = 0
    predict: tuple[str, ...] = ()
    health: tuple[str, ...] = ()

    @property
    def open(self) -> bool:
        """Whether the platform's front door says who may call: the container gets no secret, and nobody else reaches it."""
        return bool(self.platform)

    def address(self, host: str, port: int) -> tuple[str, int]:
        """Where to listen, when the settings say this."""
        return ("0.0.0.0" if self.platform else host), (self.port or port)


def read_hosting(environ: Mapping[str, str] = os.environ) -> Hosting:
    """What the environment asks for.

    Vertex AI sets AIP_HTTP_PORT, AIP_HEALTH_ROUTE and AIP_PREDICT_ROUTE; SageMaker SAGEMAKER_BIND_TO_PORT, where
    its default 8080 is not free.

    Raises:
        SettingsInvalid: a port that is no number, or a route that does not begin with "/".
    """
    if any(environ.get(name) for name in ("AIP_HTTP_PORT", "AIP_PREDICT_ROUTE", "AIP_HEALTH_ROUTE")):
        return Hosting(
            platform="Vertex AI",
            port=_port(environ, "AIP_HTTP_PORT"),
            predict=_route(environ, "AIP_PREDICT_ROUTE"),
            health=_route(environ, "AIP_HEALTH_ROUTE"),
        )
    if environ.get("SAGEMAKER_BIND_TO_PORT"):
        return Hosting(platform="SageMaker", port=_port(environ, "SAGEMAKER_BIND_TO_PORT"))
    return Hosting()


def _port(environ: Mapping[str, str], name: str) -> int:
    given = environ.get(name) or str(PORT)
    if not (given.isdecimal() and 0 < int(given) < 65536):
        raise SettingsInvalid(f"{name} is {given[:40]!r}", fix="write a port, such as 8080")
    return int(given)


def _route(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    given = environ.get(name, "")
    if given and not given.startswith("/"):
        raise SettingsInvalid(f"{name} is {given[:80]!r}", fix="write a path that begins with /")
    return (given,) if given else ()
