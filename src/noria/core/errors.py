"""One root for every error; each says what happened, to which thing, and what to do next.

NoriaError
├── DeclarationInvalid    a loop file has mistakes (all of them, at once)
├── DataInvalid           data that cannot be read or does not fit
│   ├── ExpectationsMissed
│   └── LeakageFound
├── RequestInvalid        a prediction or outcome that does not fit the signature
├── NotFound              a name, version or digest that is not there
│   └── BlobMissing
├── AlreadyThere          a name that is taken
├── Conflict              somebody else moved the thing first (compare-and-set lost)
├── LeaseLost             another process drives this turn now
├── ArtifactRejected      a model file that may not be loaded
├── JobFailed             user code crashed in a job; carries its traceback
├── NotAllowed            the state of things forbids this verb now
├── Unauthorised          it is not known who calls
│   └── TooManyTries
├── Forbidden             it is known who calls, and they may not
├── SettingsInvalid       an unknown or malformed setting
└── Unavailable           a process or store that does not answer
"""

from __future__ import annotations

from collections.abc import Sequence

MESSAGE_LIMIT = 4_000
"""Characters of any printed error: bounded, however large the input was."""


class NoriaError(Exception):
    """Root of all errors.

    Attributes:
        code: Stable machine name; the server maps it to an HTTP status.
        fix: What to do next, one sentence.
    """

    code = "noria"
    fix = ""

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        if fix is not None:
            self.fix = fix
        self.message = bounded(message)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.fix}" if self.fix else self.message


class DeclarationInvalid(NoriaError, ValueError):
    """A loop file with mistakes; `mistakes` holds all of them."""

    code, fix = "declaration-invalid", "mend the lines above; nothing has run yet"

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        listed = "\n".join(f"  {n}. {text}" for n, text in enumerate(self.mistakes, 1))
        super().__init__(f"{len(self.mistakes)} mistake(s) in the loop:\n{listed}")


class DataInvalid(NoriaError, ValueError):
    """Data that cannot be read, or does not have the shape that was declared."""

    code = "data-invalid"


class ExpectationsMissed(DataInvalid):
    """A dataset version missed its expectations, so the turn stops here."""

    code, fix = "expectations-missed", "mend the source, or change the expectation in the loop file"


class LeakageFound(DataInvalid):
    """The training table holds the answer, or its rows are on both sides of the split, so the turn stops here."""

    code, fix = "leakage-found", "take the column out, or say in the loop file that it is meant to be so"


class RequestInvalid(NoriaError, ValueError):
    """A request that does not fit; `fields` maps each field to its reason."""

    code = "request-invalid"

    def __init__(self, message: str, *, fields: dict[str, str] | None = None, fix: str | None = None) -> None:
        self.fields = dict(fields or {})
        super().__init__(message, fix=fix)


class NotFound(NoriaError, LookupError):
    """A name, version or digest that is not there."""

    code = "not-found"


class BlobMissing(NotFound):
    """The records name a blob that the store does not have."""

    code, fix = "blob-missing", "run `noria doctor` to compare the records with the blob store"


class AlreadyThere(NoriaError):
    """A name that is taken already."""

    code, fix = "already-there", "take another name"


class Conflict(NoriaError):
    """Compare-and-set lost: the thing moved since it was read."""

    code, fix = "conflict", "read it again and retry"


class LeaseLost(Conflict):
    """Another process holds the lease of this turn; stop without a trace."""

    code = "lease-lost"


class ArtifactRejected(NoriaError):
    """A model file that may not be loaded: wrong digest, or it could run code."""

    code, fix = "artifact-rejected", "save the model as skops, native booster text or ONNX"


class JobFailed(NoriaError):
    """User code crashed, ran out of time or was killed in a job; `traceback` is its own."""

    code, fix = "job-failed", "mend the code and run `noria turn` again"

    def __init__(self, message: str, *, traceback: str = "", fix: str | None = None) -> None:
        self.traceback = bounded(traceback)
        super().__init__(message, fix=fix)


class NotAllowed(NoriaError):
    """The state of things forbids this verb now."""

    code = "not-allowed"


class Unauthorised(NoriaError, PermissionError):
    """A caller who shows nothing, or something that opens nothing."""

    code = "unauthorised"


class TooManyTries(Unauthorised):
    """Too many wrong passwords; `retry_after_s` says when the next one is looked at."""

    code = "too-many-tries"

    def __init__(self, message: str, *, retry_after_s: float, fix: str | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, fix=fix)


class Forbidden(NoriaError, PermissionError):
    """A caller whose role does not reach so far, or a browser that another site sent."""

    code = "forbidden"


class SettingsInvalid(NoriaError, ValueError):
    """An unknown or malformed setting."""

    code = "settings-invalid"


class Unavailable(NoriaError, ConnectionError):
    """A process or store that does not answer."""

    code = "unavailable"


def bounded(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return `text`, cut in its middle to at most `limit` characters."""
    if len(text) <= limit:
        return text
    half = (limit - 40) // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
