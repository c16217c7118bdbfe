"""A plan of many routes: what is read is what was written, and little is touched when little changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from noria.core.errors import DataInvalid
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Plan, Route, ServedVersion
from noria.ports import wire
from noria.stages.serving import plan_shards
from noria.stages.serving.plan_shards import PlanReader, amend, read_index, routes_of, write

SIGNATURES = [
    Signature(inputs=(Field(name=name, kind=Kind.FLOAT),), features=(Field(name=name, kind=Kind.FLOAT),), task=Task.REGRESSION)
    for name in "abc"
]


def route(name, number=1, *, challenger=None):
    def version(n):
        return ServedVersion(number=n, artifact=f"sha256:{n}", code="", signature=SIGNATURES[n % 3])

    return Route(deployment=name, champion=version(number), challenger=None if challenger is None else version(challenger))


def many(count):
    return Plan(revision=1, routes={f"shop-{n:05d}": route(f"shop-{n:05d}", n) for n in range(count)})


@pytest.mark.parametrize("count", [0, 1, 64, 65, 1_025])
def test_any_number_of_routes_is_read_as_it_was_written(tmp_path, count):
    write(many(count), tmp_path / "plan.json")
    assert PlanReader(tmp_path / "plan.json").read() == many(count)
    index = read_index(tmp_path / "plan.json")
    assert routes_of(tmp_path / "plan.json", index, {"shop-00000", "nobody"}) == {"shop-00000": route("shop-00000", 0)} if count else True


def test_a_few_routes_stay_in_a_file_that_an_older_noria_reads(tmp_path):
    write(many(3), tmp_path / "plan.json")
    assert wire.load((tmp_path / "plan.json").read_bytes(), Plan) == many(3)
    assert list(tmp_path.iterdir()) == [tmp_path / "plan.json"]


def test_a_plan_of_an_older_noria_is_read_and_amended(tmp_path):
    (tmp_path / "plan.json").write_bytes(wire.dump(many(100)))
    assert PlanReader(tmp_path / "plan.json").read() == many(100)
    amend(tmp_path / "plan.json", {"shop-00007": None})
    assert len(PlanReader(tmp_path / "plan.json").read().routes) == 99


def test_one_changed_route_touches_one_shard_and_leaves_all_other_routes_the_same_objects(tmp_path):
    file = tmp_path / "plan.json"
    write(many(2_000), file)
    reader = PlanReader(file)
    before = reader.read()
    assert reader.read() is before
    shards = set((tmp_path / "routes").iterdir())
    assert amend(file, {"shop-00500": route("shop-00500", 9_999)}) == 2
    assert len(set((tmp_path / "routes").iterdir()) - shards) == 1
    after = reader.read()
    changed = {name for name in after.routes if after.routes[name] is not before.routes[name]}
    assert "shop-00500" in changed and len(changed) < 100
    assert {name for name in changed if after.routes[name] != before.routes[name]} == {"shop-00500"}


def test_versions_of_one_signature_share_it(tmp_path):
    write(many(2_000), tmp_path / "plan.json")
    plan = PlanReader(tmp_path / "plan.json").read()
    assert len({id(one.champion.signature) for one in plan.routes.values()}) == 3


def test_a_copy_is_whole_and_a_second_one_brings_only_what_is_new(tmp_path):
    file, kept = tmp_path / "plan.json", tmp_path / "kept" / "plan.json"
    write(many(300), file)
    reader = PlanReader(file)
    reader.read()
    reader.keep(kept)
    there = {shard: shard.stat().st_ino for shard in (tmp_path / "kept" / "routes").iterdir()}
    amend(file, {"shop-00001": None})
    reader.read()
    reader.keep(kept)
    assert PlanReader(kept).read() == PlanReader(file).read()
    now = {shard: shard.stat().st_ino for shard in (tmp_path / "kept" / "routes").iterdir()}
    assert len(now.items() - there.items()) == 1


def test_a_reader_between_index_and_shard_begins_again(tmp_path, monkeypatch):
    file = tmp_path / "plan.json"
    write(many(300), file)
    load, swept = plan_shards._load, []

    def late(digest, where):
        if not swept:
            swept.append(digest)
            amend(file, dict.fromkeys(list(many(300).routes)[:200]))
        return load(digest, where)

    monkeypatch.setattr(plan_shards, "_load", late)
    assert len(PlanReader(file).read().routes) == 100


def test_a_shard_that_is_gone_for_good_is_told(tmp_path):
    write(many(300), tmp_path / "plan.json")
    next((tmp_path / "routes").iterdir()).unlink()
    with pytest.raises(FileNotFoundError):
        PlanReader(tmp_path / "plan.json").read()


def test_a_spoilt_shard_is_refused(tmp_path):
    write(many(300), tmp_path / "plan.json")
    shard = next((tmp_path / "routes").iterdir())
    shard.write_bytes(shard.read_bytes().replace(b"shop-", b"shot-"))
    with pytest.raises(DataInvalid, match="does not hold"):
        PlanReader(tmp_path / "plan.json").read()


class Amended(RuleBasedStateMachine):
    """Whatever is changed in whatever order: a reader that was there from the start sees what a new one sees."""

    folder = None

    @initialize(count=st.sampled_from([0, 30, 64, 200]))
    def begin(self, count):
        import tempfile
        from pathlib import Path

        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / "plan.json"
        self.model = dict(many(count).routes)
        write(Plan(revision=1, routes=self.model), self.file)
        self.reader = PlanReader(self.file)
        self.revision = 1

    @rule(
        places=st.lists(st.integers(0, 400), min_size=1, max_size=80), number=st.one_of(st.none(), st.integers(1, 5)), dared=st.booleans()
    )
    def change(self, places, number, dared):
        changes = {
            f"shop-{n:05d}": None if number is None else route(f"shop-{n:05d}", number, challenger=n if dared else None) for n in places
        }
        self.revision = amend(self.file, changes)
        self.model = {name: one for name, one in {**self.model, **changes}.items() if one is not None}

    @invariant()
    def read(self):
        if self.folder is not None:
            assert self.reader.read() == PlanReader(self.file).read() == Plan(revision=self.revision, routes=self.model)
            index = read_index(self.file)
            assert index.count == len(self.model)

    def teardown(self):
        if self.folder is not None:
            self.folder.cleanup()


TestAmended = Amended.TestCase
TestAmended.settings = settings(max_examples=15, stateful_step_count=8, deadline=None)


def test_all_versions_of_a_route_keep_their_signatures(tmp_path):
    asked = {f"r{n}": replace(route(f"r{n}", 1, challenger=2), before=route("x", 3).champion) for n in range(70)}
    write(Plan(revision=1, routes=asked), tmp_path / "plan.json")
    assert PlanReader(tmp_path / "plan.json").read().routes == asked
