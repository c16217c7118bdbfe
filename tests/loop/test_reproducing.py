"""A version is made again from its id, in processes of its own, and held against what is registered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from noria.adapters.processes import Processes
from noria.app.reproducing import reproduce
from noria.core.data import DatasetVersion
from noria.core.errors import BlobMissing, JobFailed, NotAllowed, NotFound, RequestInvalid
from noria.core.registry import ModelVersion
from noria.core.reproducing import Sameness
from noria.loop.world import World


def born(noria, **how) -> World:
    one = noria(**how)
    one.be_born()
    return replace(one.world, launcher=Processes())


def state_of(world: World) -> tuple[object, ...]:
    versions, turns = world.records.find("version"), world.records.find("turn")
    return (
        versions,
        turns,
        world.records.find("alias"),
        sorted(world.blobs.digests()),
        sorted(f.name for f in (world.home / "jobs").iterdir()),
    )


def test_a_version_is_made_again_byte_for_byte_and_the_loop_stays_as_it_is(noria):
    world = born(noria)
    before = state_of(world)
    told: list[str] = []
    made = reproduce(world, "orders", 1, by="anna", here=True, told=told.append)
    assert (made.sameness, made.features_equal, made.environment) == (Sameness.BYTES, True, ())
    assert made.comparison.files["model.skops"] and made.comparison.max_difference == 0.0 and made.comparison.rows > 500
    auc = made.comparison.marks["roc_auc"]
    assert auc.before == auc.after > 0.6
    assert state_of(world) == before and list(world.scratch.glob("again-*")) == []
    (event,) = world.ledger.events(kind="version.reproduced")
    assert (event.by, event.subject, event.numbers["rows"]) == ("anna", "orders@1", made.comparison.rows)
    assert world.ledger.get(event.because)[0].kind == "version.registered"
    assert any("comparing" in said for said in told)


SEARCHES = "tune=nr.Tune({'C': nr.log(0.01, 10.0)}, trials=3),\n    gates="


def test_a_search_finds_the_same_parameters_again(noria, declaration):
    world = born(noria, declaration=declaration.replace("gates=", SEARCHES))
    made = reproduce(world, "orders", 1, by="anna", here=True, search=True)
    assert (made.params_equal, made.sameness) == (True, Sameness.BYTES)


LUCK = "import os\ndef train(data, params):\n    noise = np.random.default_rng(int.from_bytes(os.urandom(4), 'big')).normal(0, 0.001, data.X.shape)\n    data = type('', (), {'X': np.nan_to_num(data.X) + noise, 'y': data.y})\n"


def test_a_training_that_leaves_something_to_chance_is_told_with_its_numbers(noria, declaration):
    lucky = declaration.replace("import noria as nr", "import noria as nr\nimport numpy as np").replace("def train(data, params):\n", LUCK)
    world = born(noria, declaration=lucky)
    for tolerance, expected in ((0.1, Sameness.TOLERANCE), (1e-9, Sameness.DIFFERENT)):
        made = reproduce(world, "orders", 1, by="anna", here=True, tolerance=tolerance)
        assert made.sameness is expected and 0 < made.comparison.max_difference < 0.1
        assert not made.comparison.files["model.skops"] and made.features_equal
        kind = "version.reproduced" if made.reproduced else "version.not-reproduced"
        assert world.ledger.events(kind=kind)[0].numbers["max difference"] == made.comparison.max_difference


def test_what_is_gone_or_damaged_or_was_not_trained_here_is_said(noria):
    world = born(noria)
    part = world.documents.find(DatasetVersion)[0].parts[0]
    place = world.blobs.path(part.digest)
    with pytest.raises(RequestInvalid):
        reproduce(world, "orders", 1, by="anna", here=True, tolerance=float("nan"))
    content = place.read_bytes()
    place.chmod(0o644)
    place.write_bytes(b"other")
    with pytest.raises(BlobMissing, match="does not hold what its name says"):
        reproduce(world, "orders", 1, by="anna", here=True)
    place.unlink()
    with pytest.raises(BlobMissing, match="orders@1 cannot be made again"):
        reproduce(world, "orders", 1, by="anna", here=True)
    place.write_bytes(content)
    with pytest.raises(NotFound, match="version 2"):
        reproduce(world, "orders", 2, by="anna", here=True)
    world.documents.put(replace(world.documents.find(ModelVersion)[0], code="", turn="", origin="a.onnx"))
    with pytest.raises(NotAllowed, match=r"was brought from a\.onnx"):
        reproduce(world, "orders", 1, by="anna", here=True)


def test_code_that_fails_the_second_time_is_told_in_its_own_words(noria, declaration, monkeypatch):
    moody = declaration.replace(
        "def train(data, params):\n", "def train(data, params):\n    import os\n    assert 'MOOD' not in os.environ\n"
    )
    world = born(noria, declaration=moody)
    monkeypatch.setenv("MOOD", "bad")
    with pytest.raises(JobFailed, match="training failed: train\\(\\) raised AssertionError") as failed:
        reproduce(world, "orders", 1, by="anna", here=True)
    assert "'MOOD' not in os.environ" in failed.value.traceback
