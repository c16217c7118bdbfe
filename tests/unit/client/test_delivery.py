"""However writers, crashes, lost answers and lost notes follow each other: all that was written arrives, in each writer's order."""

import gzip
import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from noria.client import kept
from noria.client.connection import Unreached
from noria.client.sending import Delivery
from noria.client.spool import Spool

WRITERS = 3

steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, WRITERS - 1)),
        st.tuples(st.just("crash"), st.integers(0, WRITERS - 1)),
        st.tuples(st.just("tear"), st.integers(0, WRITERS - 1)),
        st.tuples(st.sampled_from(["send", "lose the request", "lose the answer", "lose the notes"]), st.just(0)),
    ),
    max_size=40,
)


class Line:
    """A connection to a server in memory, which breaks before or after the server has heard."""

    def __init__(self):
        self.heard = []
        self.manner = "send"

    def post(self, path, body, headers):
        entries = json.loads(gzip.decompress(body))["runs"][0]["entries"]
        if self.manner == "lose the request":
            raise Unreached("the line broke")
        self.heard += [(entry["writer"], entry["number"]) for entry in entries]
        if self.manner == "lose the answer":
            raise Unreached("the line broke")
        return {"taken": len(entries)}


def tear(spool: Spool) -> None:
    """Half an entry at the end of a file whose writer is killed in the middle of it."""
    files = [file for file in kept.files_of(spool.folder) if not kept.written_by_nobody(file)]
    mine = [file for file in files if file.name.startswith(spool._prefix)] if spool._prefix else []
    spool.close()
    for file in mine[-1:]:
        with file.open("ab") as opened:
            opened.write(b"\x40\x00\x00\x00\x01\x02")


@settings(max_examples=60, deadline=None)
@given(steps=steps, roll=st.sampled_from([40, 200, 1 << 20]))
def test_nothing_is_lost_and_nothing_is_out_of_order(tmp_path_factory, steps, roll):
    folder: Path = tmp_path_factory.mktemp("spool") / "run"
    line = Line()
    delivery = Delivery(line)
    spools = [Spool(folder, roll_bytes=roll) for _ in range(WRITERS)]
    written = [0] * WRITERS
    for what, which in steps:
        if what == "write":
            spools[which].append(b'{"writer":%d,"number":%d}' % (which, written[which]))
            written[which] += 1
        elif what in ("crash", "tear"):
            spools[which].close() if what == "crash" else tear(spools[which])
            spools[which] = Spool(folder, roll_bytes=roll)
        elif what == "lose the notes":
            for note in folder.glob(f"*{kept.SENT}"):
                note.unlink()
        else:
            line.manner = what
            try:
                delivery.send(folder)
            except Unreached:
                assert what != "send"
    for spool in spools:
        spool.close()
    line.manner = "send"
    delivery.send(folder)
    assert not folder.exists()
    for writer in range(WRITERS):
        first_time = list(dict.fromkeys(number for who, number in line.heard if who == writer))
        assert first_time == list(range(written[writer]))
