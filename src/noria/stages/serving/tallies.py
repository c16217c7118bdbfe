"""What the desk counts: where every request ended, and how each version answers."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from noria.core.traffic import Role

LATENCY_BOUNDS_US = (100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000)
"""Upper bounds of the latency histogram; one bucket more takes the rest."""


@dataclass(slots=True, kw_only=True)
class Counters:
    """Rows since the process started; `requests` = `logged` + `sampled_out` + `dropped`, always.

    Attributes:
        requests: Rows that were answered, or that no version could answer.
        dropped: Answered, but the journal could not take them.
        invalid: Calls that did not fit the signature; they are no requests.
        fallbacks: Rows that the champion answered because the challenger failed.
        failed: Rows that got no answer.
        shadowed: Shadow answers and shadow failures computed.
        shadow_dropped: Rows that the shadow did not see because its queue was full.
        outcomes: Outcomes acknowledged.
        explained: Answers whose reasons were found and add up.
        unexplained: Answers whose reasons were asked for, or sampled, and did not add up or could not be found.
    """

    requests: int = 0
    logged: int = 0
    sampled_out: int = 0
    dropped: int = 0
    invalid: int = 0
    fallbacks: int = 0
    failed: int = 0
    shadowed: int = 0
    shadow_dropped: int = 0
    outcomes: int = 0
    explained: int = 0
    unexplained: int = 0


@dataclass(slots=True)
class Tally:
    """How one version answered in one role: counts and a latency histogram."""

    answered: int = 0
    failed: int = 0
    latency_us: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_US) + 1))

    def add(self, latency_us: int, *, failed: bool) -> None:
        """Count one row."""
        if failed:
            self.failed += 1
        else:
            self.answered += 1
        self.latency_us += latency_us
        self.buckets[bisect_left(LATENCY_BOUNDS_US, latency_us)] += 1


class Tallies(dict[tuple[str, int, Role], Tally]):
    """A tally for each deployment, version and role that was ever used."""

    def __missing__(self, key: tuple[str, int, Role]) -> Tally:
        self[key] = tally = Tally()
        return tally
