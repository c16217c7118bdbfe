"""At every moment the online store holds what the point-in-time join would find then."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.adapters.files import Files
from noria.core.declaration.dataset import Dataset
from noria.core.declaration.features import feature_view
from noria.ports.online import OnlineRow
from noria.ports.tables import TIME
from noria.stages.data.versions import snapshot
from noria.stages.features.join import point_in_time
from noria.stages.features.materialise import Materialiser

START = datetime(2013, 1, 1, tzinfo=UTC)


class MemoryOnline:
    """The promises of `Online`, in a dictionary."""

    def __init__(self):
        self.rows: dict[tuple[str, str], OnlineRow] = {}
        self.marks: dict[str, str] = {}

    def write(self, view, rows, *, watermark=""):
        kept = [(entity, row) for entity, row in rows if (view, entity) not in self.rows or self.rows[view, entity].time_ms <= row.time_ms]
        self.rows.update({(view, entity): row for entity, row in kept})
        self.marks[view] = watermark
        return len(kept)

    def read(self, view, entities):
        return [self.rows.get((view, entity)) for entity in entities]

    def watermark(self, view):
        return self.marks.get(view, "")

    def clear(self, view):
        raise NotImplementedError


def hour(n):
    return None if n is None else START + timedelta(hours=n)


hours = st.one_of(st.none(), st.integers(0, 8))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from(["EWR", "JFK", None]), hours, hours), max_size=12),
    steps=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    bitemporal=st.booleans(),
)
def test_the_store_agrees_with_the_join_after_every_step(tmp_path_factory, rows, steps, bitemporal):
    folder = tmp_path_factory.mktemp("store")
    blobs = Files(folder)
    schema = {"airport": pl.String, "time": TIME, "known": TIME, "wind": pl.Int64}
    frame = pl.DataFrame([(e, hour(t), hour(k), n) for n, (e, t, k) in enumerate(rows)], schema=schema, orient="row")
    spec = Dataset("weather", frame, key="airport", time="time", known="known" if bitemporal else "")
    view = feature_view(spec, entity="airport", name="wind")(lambda w: w.select("airport", "time", "known", "wind"))
    version = snapshot(spec, blobs=blobs, at=START, scratch=folder)
    materialiser, online = Materialiser(view, version, blobs=blobs), MemoryOnline()
    for step in sorted(steps):
        materialiser.advance(online, hour(step))
        asking = pl.DataFrame({"key": ["EWR", "JFK"], "at": [hour(step)] * 2}).with_columns(pl.col("at").cast(TIME))
        source = frame if bitemporal else frame.drop("known")
        wanted = point_in_time(
            asking, source.sort("time", maintain_order=True), row_key="key", row_time="at", entity="airport", time="time", known=spec.known
        )
        found = online.read("wind", ["EWR", "JFK"])
        assert [row and row.values["wind"] for row in found] == wanted["wind"].to_list()
