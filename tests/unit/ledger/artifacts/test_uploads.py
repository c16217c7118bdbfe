"""Uploads in parts: in any order, again, after a restart; and never half."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.adapters.files import Files
from noria.core.errors import NotFound, RequestInvalid
from noria.core.ids import digest_of
from noria.ledger.artifacts.uploads import Uploads


@pytest.fixture
def blobs(tmp_path):
    return Files(tmp_path / "blobs")


def send(uploads, upload, number, content):
    with uploads.write(upload, number, len(content)) as writer:
        for at in range(0, len(content), 3):
            writer.write(content[at : at + 3])
        return writer.keep()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 7), st.integers(1, 20), st.integers(0, 20), st.randoms(use_true_random=False))
def test_parts_in_any_order_and_some_twice_are_the_file(tmp_path_factory, count, size, last, random):
    blobs = Files(tmp_path_factory.mktemp("uploads") / "blobs")
    content = random.randbytes((count - 1) * size + min(last, size))
    parts = {n + 1: content[n * size : (n + 1) * size] if n + 1 < count else content[n * size :] for n in range(count)}
    upload = Uploads(blobs).begin("p", "0/r/artifacts/x", count)
    order = [*parts, random.choice(list(parts))]
    random.shuffle(order)
    for number in order:
        uploads = Uploads(blobs)
        uploads.find(upload.id, "p")
        kept = send(uploads, upload, number, parts[number])
        assert kept.tag == sha256(parts[number]).hexdigest()
    whole = Uploads(blobs).complete(upload, {number: sha256(part).hexdigest() for number, part in parts.items()})
    assert (whole.digest, whole.size_bytes) == (digest_of(content), len(content))
    assert blobs.read(whole.digest) == content
    assert Uploads(blobs).complete(upload, {}) == whole, "asked again"
    Uploads(blobs).finish(upload, whole)
    assert Uploads(blobs).complete(Uploads(blobs).find(upload.id, "p", finished=True), {}) == whole, "asked again later"
    with pytest.raises(NotFound):
        Uploads(blobs).find(upload.id, "p")
    os.utime(blobs.room / f"upload-{upload.id}" / "finished.json", (1, 1))
    another = Uploads(blobs).begin("p", "y", 1)
    assert [place.name for place in blobs.room.iterdir()] == [f"upload-{another.id}"]


def test_an_upload_that_is_completed_twice_at_once_is_completed_once(blobs):
    upload = Uploads(blobs).begin("p", "x", 2)
    send(Uploads(blobs), upload, 1, b"a" * 1_000)
    send(Uploads(blobs), upload, 2, b"b")
    with ThreadPoolExecutor(4) as threads:
        wholes = list(threads.map(lambda _: Uploads(blobs).complete(upload, {}), range(8)))
    assert len(set(wholes)) == 1 and blobs.read(wholes[0].digest) == b"a" * 1_000 + b"b"


def test_an_upload_is_resumed_by_the_parts_that_have_not_come(blobs):
    upload = Uploads(blobs).begin("p", "x", 3)
    send(Uploads(blobs), upload, 1, b"aaa")
    with pytest.raises(InterruptedError), Uploads(blobs).write(upload, 2, 3) as writer:
        writer.write(b"b")
        raise InterruptedError
    again = Uploads(blobs)
    assert [part.number for part in again.parts(again.find(upload.id, "p"))] == [1]
    with pytest.raises(RequestInvalid, match="part 2 of 3 has not come"):
        again.complete(upload, {})
    send(again, upload, 2, b"bbb")
    send(again, upload, 3, b"c")
    assert blobs.read(again.complete(upload, {}).digest) == b"aaabbbc"


def test_a_part_that_is_sent_anew_counts_as_not_come_until_it_has(blobs):
    uploads = Uploads(blobs)
    upload = uploads.begin("p", "x", 2)
    send(uploads, upload, 1, b"aaa")
    uploads.write(upload, 1, 3).__exit__()
    assert uploads.parts(upload) == []


def test_what_does_not_fit_is_refused(blobs):
    uploads = Uploads(blobs)
    upload = uploads.begin("p", "x", 3)
    send(uploads, upload, 1, b"aaa")
    with pytest.raises(RequestInvalid, match="part 2 has 2 bytes, another one 3"):
        uploads.write(upload, 2, 2)
    for number in (0, 4):
        with pytest.raises(RequestInvalid, match="parts 1 to 3"):
            uploads.write(upload, number, 3)
    with uploads.write(upload, 2, 3) as writer:
        with pytest.raises(RequestInvalid, match="more came"):
            writer.write(b"bbbb")
        writer.write(b"bb")
        with pytest.raises(RequestInvalid, match="2 bytes came of part 2, not 3"):
            writer.keep()
        writer.write(b"b")
        with pytest.raises(RequestInvalid, match="came with the digest"):
            writer.keep(expect=digest_of(b"bbc"))
    send(uploads, upload, 2, b"bbb")
    send(uploads, upload, 3, b"c")
    with pytest.raises(RequestInvalid, match="part 3 has the tag"):
        uploads.complete(upload, {3: sha256(b"d").hexdigest()})
    for parts in (0, 10_001):
        with pytest.raises(RequestInvalid, match="1 to 10,000 parts"):
            uploads.begin("p", "x", parts)


def test_an_upload_is_known_to_its_project_alone_and_by_its_own_id(blobs):
    uploads = Uploads(blobs)
    upload = uploads.begin("p", "x", 1)
    for id, project in ((upload.id, "q"), ("0" * 32, "p"), ("../" + upload.id, "p"), ("", "p")):
        with pytest.raises(NotFound):
            uploads.find(id, project)
    uploads.discard(upload)
    with pytest.raises(NotFound):
        uploads.find(upload.id, "p")
