"""Requests and answers as files: what was acknowledged stays, what is too much or too old does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from noria.core.ids import new_id
from noria.dataplane.answers.files import AnswerFiles, Asked, Bounds, Finished
from noria.dataplane.exchange import Refused

NOW_MS = 1_772_323_200_000
ASKED = Asked(deployment="late", rows=2)
DONE = Finished(status=200, body=b'{"rows":[]}')


def name(number: int = 0, at_ms: int = NOW_MS) -> str:
    return new_id("ans", at_ms + number, random=bytes(5)) + "0" * 16


@pytest.fixture
def files(tmp_path) -> AnswerFiles:
    return AnswerFiles(tmp_path / "answers", bounds=Bounds(count=3, size_bytes=10_000, age_ms=1_000))


def test_a_request_is_claimed_once_and_its_answer_takes_its_place(files) -> None:
    files.accept(name(), ASKED, b"body")
    assert files.find(name()) == ASKED
    claimed = files.claim()
    assert (claimed.id, claimed.asked, claimed.body) == (name(), ASKED, b"body")
    assert files.claim() is None
    files.finish(name(), DONE)
    claimed.release()
    assert files.claim() is None
    assert [files.find(name()) for _ in range(3)] == [DONE] * 3


def test_requests_are_claimed_in_the_order_of_their_coming(files) -> None:
    for number in (2, 0, 1):
        files.accept(name(number), ASKED, b"")
    claimed = [files.claim() for _ in range(3)]
    assert [one.id for one in claimed] == [name(0), name(1), name(2)]
    for one in claimed:
        one.release()


def test_what_a_dead_process_had_claimed_is_claimed_again(files, tmp_path) -> None:
    files.accept(name(), ASKED, b"body")
    program = f"""
from pathlib import Path
from noria.dataplane.answers.files import AnswerFiles
claimed = AnswerFiles(Path({str(tmp_path / "answers")!r})).claim()
print(claimed.id, flush=True)
input()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline().strip() == name()
        assert files.claim() is None
        other.kill()
        other.wait()
    again = files.claim()
    assert again.id == name()
    again.release()


def test_an_answer_that_was_written_before_the_process_died_is_not_computed_again(files, tmp_path) -> None:
    files.accept(name(), ASKED, b"body")
    kept = (tmp_path / "answers" / f"{name()}.asked").read_bytes()
    files.finish(name(), DONE)
    (tmp_path / "answers" / f"{name()}.asked").write_bytes(kept)
    assert files.claim() is None
    assert files.find(name()) == DONE


def test_what_was_cancelled_is_gone_also_when_it_ends_later(files) -> None:
    files.accept(name(), ASKED, b"body")
    claimed = files.claim()
    assert not claimed.cancelled
    assert files.remove(name())
    assert claimed.cancelled
    files.finish(name(), DONE)
    claimed.release()
    assert files.find(name()) is None
    assert not files.remove(name())


def test_too_many_are_refused_until_one_was_fetched(files) -> None:
    for number in range(3):
        files.accept(name(number), ASKED, b"")
        files.finish(name(number), DONE)
    with pytest.raises(Refused, match="as many answers"):
        files.accept(name(4), ASKED, b"")
    assert files.find(name(1)) == DONE
    files.accept(name(4), ASKED, b"")
    assert files.find(name(1)) is None
    assert files.find(name(0)) == DONE


def test_too_many_bytes_are_refused(files) -> None:
    with pytest.raises(Refused) as refused:
        files.accept(name(), ASKED, bytes(10_001))
    assert refused.value.code == "too-many-requests"


def test_what_is_too_old_is_thrown_away(files) -> None:
    files.accept(name(), ASKED, b"")
    files.accept(name(1_500), ASKED, b"")
    files.tidy(NOW_MS + 2_000)
    assert files.find(name()) is None
    assert files.find(name(1_500)) == ASKED


@pytest.mark.parametrize("id", ["", "ans_", "../../etc/passwd", "ans_" + "0" * 34 + "/..", "run_" + "0" * 34, "ans_" + "A" * 34])
def test_an_id_that_noria_never_gave_is_unknown(files, id) -> None:
    assert files.find(id) is None
    assert not files.remove(id)
