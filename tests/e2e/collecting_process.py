"""What `test_collecting` runs as processes: `write FOLDER SEED ROUNDS`, `collect FOLDER`, `once FOLDER`."""

from __future__ import annotations

import random
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from noria.adapters.files import Files
from noria.adapters.sqlite import Sqlite
from noria.core.ids import digest_of
from noria.ledger.collecting.sweep import collect
from noria.ports.records import Put

GRACE = timedelta(seconds=0.4)
CONTENTS = [b"content %d" % n for n in range(12)]


def opened(folder: Path):
    return Sqlite(folder / "noria.db"), Files(folder / "blobs")


def write(folder: Path, seed: int, rounds: int) -> None:
    """Name some of few contents, look that they stay, and let them go; which the other writers do too."""
    records, blobs = opened(folder)
    chance = random.Random(seed)
    held: dict[str, bytes] = {}
    for n in range(rounds):
        content = chance.choice(CONTENTS)
        began = time.monotonic()
        digest = blobs.put(content)
        records.commit(Put(kind="version", key=f"{seed}-{n}", body=digest.encode()))
        if time.monotonic() - began < GRACE.total_seconds() / 2:  # which is what a writer promises
            held[f"{seed}-{n}"] = content
        else:
            records.commit(Put(kind="version", key=f"{seed}-{n}", body=b""))
        time.sleep(chance.random() * 0.02)
        for named in held.values():
            assert blobs.read(digest_of(named)) == named
        while len(held) > 3:
            key = chance.choice(sorted(held))
            del held[key]
            records.commit(Put(kind="version", key=key, body=b""))
    for key in held:
        records.commit(Put(kind="version", key=key, body=b""))


def collect_on(folder: Path) -> None:
    """Collect again and again, until everything is gone after the writers; print how many went."""
    records, blobs = opened(folder)
    gone = 0
    while True:
        done = (folder / "done").exists()
        found = collect(records, None, blobs, files=(), now=datetime.now(UTC), grace=GRACE)
        gone += found.blobs
        if done and not found.kept_blobs and not found.young_blobs:
            break
    print(gone)


def collect_once(folder: Path) -> None:
    """Collect what the tables and documents leave, and print a line before each step of it."""
    records, blobs = opened(folder)
    collect(
        records,
        records,
        blobs,
        files=(),
        now=datetime.now(UTC) + timedelta(days=60),
        older_than=timedelta(days=30),
        told=lambda said, share: print(said, f"{share:.3f}", flush=True),
    )


if __name__ == "__main__":
    mode, place, *rest = sys.argv[1:]
    {"write": write, "collect": collect_on, "once": collect_once}[mode](Path(place), *(int(one) for one in rest))
