"""The online stores keep the promises of `noria.ports.online`."""

import subprocess
import sys
from pathlib import Path

import pytest

from noria.adapters.lmdb import Lmdb
from noria.core.errors import NotAllowed, Unavailable
from noria.ports.online import OnlineRow
from noria.testing.online import OnlineContract

READER = """
import sys
from pathlib import Path
from noria.adapters.lmdb import Lmdb

online = Lmdb(Path(sys.argv[1]), readonly=True)
for line in sys.stdin:
    (row,) = online.read("view", ["a"])
    print("nothing" if row is None else row.values["x"], flush=True)
"""


class TestLmdb(OnlineContract):
    def open(self, folder: Path) -> Lmdb:
        return Lmdb(folder)

    def test_another_process_sees_each_write_as_it_comes(self, tmp_path):
        online = Lmdb(tmp_path)
        command = [sys.executable, "-c", READER, str(tmp_path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
            seen = [_ask(reader)]
            for x in range(3):
                online.write("view", [("a", OnlineRow(x, {"x": x}))])
                seen.append(_ask(reader))
            reader.stdin.close()
        assert seen == ["nothing", "0", "1", "2"]

    def test_a_read_only_store_cannot_be_written_through(self, tmp_path):
        with pytest.raises(NotAllowed):
            Lmdb(tmp_path, readonly=True).write("view", [])

    def test_a_full_store_says_so_and_keeps_what_it_had(self, tmp_path):
        online = Lmdb(tmp_path, map_size=1 << 17)
        online.write("view", [("a", OnlineRow(1, {"x": 1}))])
        with pytest.raises(Unavailable, match="full"):
            online.write("view", ((str(n), OnlineRow(1, {"x": "x" * 400})) for n in range(10_000)))
        assert online.read("view", ["a", "1"]) == [OnlineRow(1, {"x": 1}), None]


def _ask(reader):
    reader.stdin.write("?\n")
    reader.stdin.flush()
    return reader.stdout.readline().strip()
