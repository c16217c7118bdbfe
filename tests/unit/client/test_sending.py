"""What is spooled arrives, once the server is there and well; whatever it does before, the script goes on."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from noria.client import files, kept
from noria.client.connection import Connection, Refused, Unreached
from noria.client.run import Run
from noria.client.sender import Sender
from noria.client.sending import Delivery
from noria.client.spool import Spool


@pytest.fixture
def spool(here):
    made = Spool(here.shelf / "abc")
    for number in range(25):
        made.append(b'{"at":1,"log":{"loss":%d},"step":%d}' % (number, number))
    yield made
    made.close()


def deliver(here, folder, spool=None):
    connection = Connection(here, timeout_s=5)
    try:
        return Delivery(connection).send(folder, spool)
    finally:
        connection.close()


def test_all_arrives_in_order_and_the_folder_goes(server, here, spool):
    spool.close()
    assert deliver(here, spool.folder).entries == 25
    assert [one["step"] for one in server.entries["abc"]] == list(range(25))
    assert not spool.folder.exists()


def test_sending_twice_sends_once(server, here, spool):
    assert deliver(here, spool.folder).entries == 25
    assert deliver(here, spool.folder).entries == 0
    spool.append(b'{"at":1,"tags":{"a":"b"}}')
    assert deliver(here, spool.folder).entries == 1


@pytest.mark.parametrize("manner", ["garbage", "other", "fails"])
def test_an_answer_that_makes_no_sense_acknowledges_nothing(server, here, spool, manner):
    server.manner = manner
    with pytest.raises(Unreached):
        deliver(here, spool.folder)
    server.manner = "well"
    assert deliver(here, spool.folder).entries == 25


def test_a_server_that_asks_for_a_token_keeps_everything_waiting(server, here, spool):
    server.manner = "forbids"
    with pytest.raises(Refused, match="show a token"):
        deliver(here, spool.folder)
    assert len(kept.next_batch(kept.files_of(spool.folder)[0]).entries) == 25


def test_one_entry_that_the_server_will_never_take_does_not_hold_up_the_others(server, here, spool):
    server.manner = "picky"
    spool.append(b'{"at":1,"tags":{"poison":"yes"}}')
    spool.append(b'{"at":1,"tags":{"good":"yes"}}')
    sent = deliver(here, spool.folder)
    assert (sent.entries, sent.refused) == (27, 1)
    assert {"good": "yes"} in server.told("abc", "tags")
    refused = json.loads((here.shelf / "refused.jsonl").read_text())
    assert refused["entry"]["tags"] == {"poison": "yes"}


def test_what_the_disk_refused_is_sent_from_memory(server, here, tmp_path):
    (tmp_path / "file").write_text("")
    spool = Spool(tmp_path / "file" / "abc")
    spool.append(b'{"at":1,"end":"FINISHED"}')
    assert deliver(here, spool.folder, spool).entries == 1
    assert server.told("abc", "end") == ["FINISHED"]
    assert spool.waiting() == []


def test_a_rotten_middle_is_kept_aside_and_told(server, here, spool):
    spool.close()
    file = kept.files_of(spool.folder)[0]
    content = bytearray(file.read_bytes())
    content[-10] ^= 0xFF
    file.write_bytes(content)
    sent = deliver(here, spool.folder)
    assert sent.entries == 24
    assert "cannot be read" in sent.reasons[0]
    assert len(list(here.shelf.glob("*.broken"))) == 1


def test_a_sender_tries_again_after_failures_and_loses_nothing(server, here, spool):
    server.manner = "fails"
    sender = Sender(here, pause_s=0.01)
    sender.add(spool)
    assert not sender.flush(10)
    assert "500" in sender.reason
    server.manner = "well"
    assert sender.flush(10)
    assert len(server.entries["abc"]) == 25


def test_a_server_that_hangs_up_between_requests_is_dialled_again(server, here, spool):
    server.manner = "hangs up"
    files.keep_bytes(spool.folder, b"hello", "a.txt")
    files.keep_bytes(spool.folder, b"world", "b.txt")
    connection = Connection(here, timeout_s=5)
    delivery = Delivery(connection)
    for _ in range(3):
        spool.append(b'{"at":1,"tags":{"a":"b"}}')
        delivery.send(spool.folder)
        time.sleep(0.05)
    connection.close()
    assert len(server.entries["abc"]) == 28
    assert sorted(server.files.values()) == [b"hello", b"world"]


def test_a_hanging_server_is_waited_for_once_and_no_longer_than_said(server, here, spool):
    server.manner = "hangs"
    sender = Sender(here, pause_s=0.01)
    sender.add(spool)
    assert not sender.flush(0.2)
    assert not sender.flush(1e9)
    server.let_go.set()


def test_what_an_earlier_process_left_is_sent_with_the_next_run(server, here):
    code = (
        "import os, signal; from pathlib import Path; from noria.client.place import Place; from noria.client.run import Run\n"
        f"run = Run('lost', experiment='e', where=Place(url={here.url!r}, spool=Path({str(here.spool)!r})), capture=False, system_every_s=0)\n"
        "run.log(loss=1.0, step=0); print(run.id, flush=True); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    lost = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
    with Run("next", experiment="e", where=here, capture=False, system_every_s=0) as run:
        run.log(loss=2.0)
    deadline = time.monotonic() + 30
    while not server.told(lost, "died"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert server.told(lost, "log") == [{"loss": 1.0}]
    assert server.told(run.id, "end") == ["FINISHED"]


def script(tmp_path, body, **environ):
    file = tmp_path / "train.py"
    file.write_text("import os, signal, sys, time\nimport noria as nr\n" + body)
    environment = {**os.environ, "NORIA_SPOOL": str(tmp_path / "spool"), **environ}
    environment.pop("NORIA_HOME", None)
    return subprocess.Popen(
        [sys.executable, str(file)], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("manner", ["hangs", "garbage", "fails", "forbids"])
def test_a_script_ends_as_ever_whatever_the_server_does(server, tmp_path, manner):
    """The process is polled for, with far more patience than the two seconds that it may take."""
    server.manner = manner
    body = "with nr.run('r', capture=False) as run:\n    run.log(loss=1)\nprint('trained')\n"
    process = script(tmp_path, body, NORIA_URL=server.url)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "trained\n")
    assert "`noria sync` sends it" in err
    run = next((tmp_path / "spool").glob("*/*/"))
    entries = kept.next_batch(kept.files_of(run)[0]).entries
    assert json.loads(entries[-1])["end"] == "FINISHED"


def test_a_run_that_nobody_listens_to_keeps_all_of_it(tmp_path):
    process = script(tmp_path, "with nr.run('r') as run:\n    run.log(loss=1)\n", NORIA_URL="http://127.0.0.1:9")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "does not answer" in err


def test_offline_is_quiet(tmp_path):
    process = script(tmp_path, "with nr.run('r') as run:\n    run.log(loss=1)\n", NORIA_OFFLINE="1", NORIA_URL="http://127.0.0.1:9")
    assert process.communicate(timeout=60)[1] == ""


def test_sigterm_ends_a_run_as_killed_and_lets_the_script_clean_up(server, tmp_path):
    body = (
        "try:\n    with nr.run('r', capture=False) as run:\n        print(run.id, flush=True)\n        time.sleep(60)\n"
        "finally:\n    print('cleaned up', flush=True)\n"
    )
    process = script(tmp_path, body, NORIA_URL=server.url)
    run = process.stdout.readline().strip()
    process.terminate()
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "cleaned up\n")
    assert server.told(run, "end") == ["KILLED"]


def test_sigterm_ends_a_run_whose_main_thread_is_in_compiled_code(server, tmp_path):
    body = (
        "import threading\nrun = nr.run('r', capture=False)\nprint(run.id, flush=True)\n"
        "lock = threading.Lock(); lock.acquire()\nimport ctypes\nctypes.CDLL(None).sleep(30)\n"
        "ctypes.CDLL(None).sleep(30)\n"
    )
    code = "import noria.client.ending as ending\nending.GRACE_S = 0.2\n" + body
    process = script(tmp_path, code, NORIA_URL=server.url)
    run = process.stdout.readline().strip()
    time.sleep(0.2)
    process.terminate()
    process.communicate(timeout=60)
    assert server.told(run, "end") == ["KILLED"]


@pytest.mark.parametrize("number", [signal.SIGINT])
def test_ctrl_c_ends_a_run_as_killed(server, tmp_path, number):
    body = "with nr.run('r', capture=False) as run:\n    print(run.id, flush=True)\n    time.sleep(60)\n"
    process = script(tmp_path, body, NORIA_URL=server.url)
    run = process.stdout.readline().strip()
    process.send_signal(number)
    process.communicate(timeout=60)
    assert server.told(run, "end") == ["KILLED"]


def test_an_error_that_nobody_catches_fails_a_run_without_a_block(server, tmp_path):
    process = script(tmp_path, "run = nr.run('r', capture=False)\nprint(run.id, flush=True)\n1 / 0\n", NORIA_URL=server.url)
    out, _ = process.communicate(timeout=60)
    assert server.told(out.strip(), "end") == ["FAILED"]
    told = {name: text for one in server.told(out.strip(), "tags") for name, text in one.items()}
    assert "ZeroDivisionError" in told["noria.traceback"]


def test_a_second_sigterm_ends_a_script_that_swallowed_the_first(tmp_path):
    body = (
        "run = nr.run('r', capture=False, offline=True)\n"
        "while True:\n    try:\n        print('begun', flush=True)\n        time.sleep(60)\n    except SystemExit:\n        print('swallowed', flush=True)\n"
    )
    process = script(tmp_path, body)
    assert process.stdout.readline() == "begun\n"
    process.terminate()
    assert process.stdout.readline() == "swallowed\n"
    assert process.stdout.readline() == "begun\n"
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM


def test_a_run_that_another_process_is_sending_does_not_count_as_sent(server, here, spool):
    sender = Sender(here, pause_s=0.01)
    with kept.alone(spool.folder):
        sender.add(spool)
        assert not sender.flush(10)
        assert "another process" in sender.reason
    assert sender.flush(10)
    assert len(server.entries["abc"]) == 25
