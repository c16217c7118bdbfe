"""Control planes that die at a place of one's choice: `doomed_server.py HOME`, then a line `WHEN PLACE` for each.

Answers each line with the server's pid, and with how it ended as soon as it has. Every server is a
process of its own, forked from this one so that it need not import everything again; it is killed
with SIGKILL by itself, just before or just after the commit that the place names.
"""

from __future__ import annotations

import json
import os
import signal
import sys

import sklearn.impute
import sklearn.linear_model
import sklearn.pipeline

from noria.adapters.sqlite import Sqlite
from noria.ports.records import Put, Write
from noria.server.__main__ import main


def places(writes: tuple[Write, ...]) -> set[str]:
    """What a commit is about, in words: `step data done`, `alias champion`, `turn opened`, …"""
    found = set()
    for write in writes:
        if not isinstance(write, Put):
            continue
        body = json.loads(write.body)
        if write.kind == "step":
            found.add(f"step {body['name']} {body['state']}")
        elif write.kind == "turn" and (write.expect == 0 or body["state"] != "open"):
            found.add("turn opened" if write.expect == 0 else "turn ended")
        elif write.kind == "alias":
            found.add(f"alias {body['alias']} {'set' if body['version'] else 'cleared'}")
        elif write.kind == "rollout":
            found.add(f"rollout {body['phase']}")
        elif write.kind == "version":
            found.add("version")
    return found


def doom(when: str, place: str) -> None:
    """Kill this process at that place."""
    commit = Sqlite.commit

    def watched(records: Sqlite, *writes: Write) -> None:
        here = place in places(writes)
        if here and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        commit(records, *writes)
        if here:
            os.kill(os.getpid(), signal.SIGKILL)

    Sqlite.commit = watched  # type: ignore[method-assign]


IMPORTED_ONCE = (sklearn.impute, sklearn.linear_model, sklearn.pipeline)
"""What the loop file imports: not every server is to take its time over it."""

if __name__ == "__main__":
    for line in sys.stdin:
        when, _, place = line.strip().partition(" ")
        pid = os.fork()
        if pid == 0:
            sys.stdin.close()
            doom(when, place)
            main([sys.argv[1]])
            os._exit(0)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
