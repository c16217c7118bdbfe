"""One connection to the server, kept alive; every way in which it can fail is one kind of answer, not an exception of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from noria.client.place import Place

if TYPE_CHECKING:
    import http.client

TIMEOUT_S = 10.0
"""Of any one wait for the network."""
ANSWER_LIMIT = 4 << 20
BLOCK_BYTES = 1 << 20
"""Of a file, read and sent at once."""


class Unreached(Exception):
    """Nobody took it: no answer, no sense in the answer, or an answer that says "later". Trying again is right."""


class Refused(Exception):
    """The server will not take it, however often it is asked."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Connection:
    """Requests to one server, one after the other; for one thread at a time."""

    def __init__(self, place: Place, *, timeout_s: float = TIMEOUT_S) -> None:
        self._place = place
        self._timeout_s = timeout_s
        self._opened: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> Any:
        """Send a body; the answer as JSON.

        Raises:
            Unreached, Refused: see there.
        """
        return self._ask("POST", path, body, {"content-type": "application/json", **headers})

    def get(self, path: str) -> Any:
        """Ask for something; the answer as JSON.

        Raises:
            Unreached, Refused: see there.
        """
        return self._ask("GET", path, None, {})

    def get_bytes(self, path: str) -> bytes:
        """Ask for a file of a few megabytes at most.

        Raises:
            Unreached, Refused: see there.
        """
        status, told = self._exchange("GET", quote(path), None, {})
        if status != 200:
            _understood(status, told, self._place.url)
        return told

    def put_file(self, path: str, file: Path) -> None:
        """Send a file, in pieces.

        Raises:
            Unreached, Refused: see there.
            OSError: the file cannot be read.
        """
        with file.open("rb") as opened:
            size = file.stat().st_size
            self._ask("PUT", quote(path), opened, {"content-type": "application/octet-stream", "content-length": str(size)})

    def close(self) -> None:
        """Hang up; the next request dials again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _ask(self, method: str, path: str, body: bytes | IO[bytes] | None, headers: dict[str, str]) -> Any:
        status, told = self._exchange(method, path, body, headers)
        return _understood(status, told, self._place.url)

    def _exchange(self, method: str, path: str, body: bytes | IO[bytes] | None, headers: dict[str, str]) -> tuple[int, bytes]:
        import http.client

        headers = {"user-agent": "noria-client", **headers}
        if self._place.token:
            headers["authorization"] = f"Bearer {self._place.token}"
        if self._place.project != "default":
            headers["x-mlflow-workspace"] = self._place.project
        reused = self._opened is not None
        try:
            if self._opened is None:
                self._opened = self._dial()
            self._opened.request(method, urlsplit(self._place.url).path + path, body=body, headers=headers)
            answer = self._opened.getresponse()
            told = answer.read(ANSWER_LIMIT)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            if reused and isinstance(error, (http.client.BadStatusLine, ConnectionError)):
                return self._exchange(method, path, _again(body), headers)
            raise Unreached(f"{self._place.url} does not answer: {error or type(error).__name__}") from error
        if answer.status >= 400 or answer.will_close:
            self.close()
        return answer.status, told

    def _dial(self) -> http.client.HTTPConnection:
        import http.client
        import ssl

        parts = urlsplit(self._place.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port or 80, timeout=self._timeout_s, blocksize=BLOCK_BYTES)
        if parts.scheme != "https":
            raise ValueError(f"{self._place.url!r} is no http:// or https:// address")
        context = ssl.create_default_context(cafile=self._place.certificate or None)
        if self._place.certificate:
            context.check_hostname = False
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return http.client.HTTPSConnection(host, parts.port or 443, timeout=self._timeout_s, context=context, blocksize=BLOCK_BYTES)


def _again(body: bytes | IO[bytes] | None) -> bytes | IO[bytes] | None:
    """A body to be sent from its beginning: the server had hung up on a connection that nobody used for a while."""
    if body is not None and not isinstance(body, bytes):
        body.seek(0)
    return body


def _understood(status: int, told: bytes, url: str) -> Any:
    if 200 <= status < 300:
        try:
            return json.loads(told or b"{}")
        except ValueError as error:
            raise Unreached(f"{url} answers what is no JSON; is it a Noria?") from error
    said = _message(told)
    if status in (408, 429) or status >= 500 or status < 200:
        raise Unreached(f"{url} answers {status}: {said}")
    raise Refused(status, f"{url} answers {status}: {said}")


def _message(told: bytes) -> str:
    try:
        body = json.loads(told)
        error = body.get("error", body)
        return str(error.get("message") or error)[:300]
    except (ValueError, AttributeError):
        return told[:200].decode("utf-8", "replace")
