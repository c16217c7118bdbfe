"""What was told survives the process that told it, in order, once, whatever becomes of the file's end."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from noria.client import kept
from noria.client.spool import MAGIC, Spool, dead_owners
from noria.core.frames import framed


def all_of(folder):
    found = []
    for file in kept.files_of(folder):
        after = 0
        while (batch := kept.next_batch(file, after=after, most_entries=7)).entries:
            found += batch.entries
            after = batch.end
    return found


@settings(max_examples=40, deadline=None)
@given(entries=st.lists(st.binary(max_size=300), max_size=30), roll=st.integers(9, 2_000))
def test_entries_come_back_in_order_however_often_the_file_rolls(tmp_path_factory, entries, roll):
    spool = Spool(tmp_path_factory.mktemp("s") / "run", roll_bytes=roll)
    for entry in entries:
        assert spool.append(entry)
    spool.close()
    assert all_of(spool.folder) == entries


@settings(max_examples=60, deadline=None)
@given(entries=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=12), cut=st.integers(0, 400), noise=st.binary(max_size=40))
def test_a_torn_tail_costs_the_torn_entry_alone(tmp_path_factory, entries, cut, noise):
    file = tmp_path_factory.mktemp("s") / "one.spool"
    whole = MAGIC + b"".join(map(framed, entries))
    kept_bytes = whole[: max(len(MAGIC), len(whole) - cut)]
    file.write_bytes(kept_bytes + (noise if cut else b""))
    back = list(kept.next_batch(file).entries)
    ends, at = [], len(MAGIC)
    for entry in entries:
        at += len(framed(entry))
        ends.append(at)
    whole_ones = sum(end <= len(kept_bytes) for end in ends)
    assert back[:whole_ones] == entries[:whole_ones]
    assert len(back) == whole_ones or not cut or noise


def test_what_was_acknowledged_is_not_read_again(tmp_path):
    spool = Spool(tmp_path / "run")
    for number in range(20):
        spool.append(b"%d" % number)
    file = kept.files_of(spool.folder)[0]
    first = kept.next_batch(file, most_entries=5)
    kept.acknowledge(file, first.end)
    assert kept.next_batch(file, most_entries=1).entries == (b"5",)
    spool.close()


def test_an_entry_longer_than_a_batch_comes_alone(tmp_path):
    spool = Spool(tmp_path / "run")
    spool.append(b"x" * 100_000)
    spool.append(b"y")
    spool.close()
    batch = kept.next_batch(kept.files_of(spool.folder)[0], most_bytes=1_000)
    assert [len(one) for one in batch.entries] == [100_000]


def test_threads_of_one_process_lose_nothing(tmp_path):
    spool = Spool(tmp_path / "run", roll_bytes=5_000)

    def write(name):
        for number in range(500):
            spool.append(f"{name}-{number}".encode())

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spool.close()
    back = [one.decode() for one in all_of(spool.folder)]
    assert sorted(back) == sorted(f"{name}-{number}" for name in "abcd" for number in range(500))
    for name in "abcd":
        mine = [one for one in back if one.startswith(name)]
        assert mine == [f"{name}-{number}" for number in range(500)]


def test_forked_children_write_files_of_their_own_and_hold_none_of_their_parents(tmp_path):
    spool = Spool(tmp_path / "run", owns=True)
    spool.append(b"parent-0")

    def child(name):
        for number in range(200):
            spool.append(f"{name}-{number}".encode())
        os._exit(0)

    children = [multiprocessing.get_context("fork").Process(target=child, args=(name,)) for name in "ab"]
    for one in children:
        one.start()
    for number in range(1, 200):
        spool.append(b"parent-%d" % number)
    for one in children:
        one.join()
    spool.close()
    back = [one.decode() for one in all_of(spool.folder)]
    assert sorted(back) == sorted(f"{name}-{number}" for name in ("parent", "a", "b") for number in range(200))
    assert len(kept.files_of(spool.folder)) == 3
    assert all(map(kept.written_by_nobody, kept.files_of(spool.folder)))
    assert not dead_owners(spool.folder)
    spool.close(ended=True)


def test_kill_nine_loses_nothing_that_was_told(tmp_path):
    code = (
        "import sys; from pathlib import Path; from noria.client.spool import Spool\n"
        f"spool = Spool(Path({str(tmp_path / 'run')!r}), owns=True)\n"
        "number = 0\n"
        "while True:\n"
        "    spool.append(b'%d' % number); number += 1\n"
        "    if number % 1000 == 0: print(number, flush=True)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    told = [int(writer.stdout.readline()) for _ in range(3)][-1]
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    back = [int(one) for one in all_of(tmp_path / "run")]
    assert back == list(range(len(back)))
    assert len(back) >= told
    assert len(dead_owners(tmp_path / "run")) == 1


def test_a_disk_that_takes_nothing_fills_the_memory_then_drops_are_counted_and_told_once(tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("no folder can be made here")
    spool = Spool(blocked / "run", owns=True, waiting_limit=3)
    assert [spool.append(b"%d" % number) for number in range(6)] == [True, True, True, False, False, False]
    assert spool.dropped == 3
    assert sum("dropped" in one.message for one in caplog.records) == 1
    blocked.unlink()
    assert spool.append(b"later")
    spool.close()
    assert all_of(spool.folder) == [b"0", b"1", b"2", b"later"]


def test_the_last_of_a_disk_is_left_to_the_training(tmp_path, monkeypatch):
    disk = os.statvfs(tmp_path)
    nearly_full = os.statvfs_result([*disk[:4], (32 << 20) // disk.f_frsize, *disk[5:]])
    spool = Spool(tmp_path / "run", roll_bytes=1)
    monkeypatch.setattr(os, "statvfs", lambda path: nearly_full)
    assert spool.append(b"waits")
    assert spool.waiting() == [b"waits"]
    monkeypatch.undo()
    assert spool.append(b"next")
    spool.close()
    assert all_of(spool.folder) == [b"waits", b"next"]


def test_a_full_disk_leaves_no_torn_entry_behind(tmp_path):
    """A file-size limit cuts a write short exactly as a full disk does."""
    code = (
        "import json, resource, signal, sys; from pathlib import Path; from noria.client.spool import Spool\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"spool = Spool(Path({str(tmp_path / 'run')!r}), waiting_limit=0)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))\n"
        "kept = sum(spool.append(b'x' * 77) for _ in range(200))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "kept += spool.append(b'after'); spool.close()\n"
        "print(json.dumps([kept, spool.dropped]))\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, dropped = json.loads(told.stdout)
    back = all_of(tmp_path / "run")
    assert len(back) == count
    assert count + dropped == 201
    assert back[-1] == b"after"
    assert "dropped" in told.stderr
