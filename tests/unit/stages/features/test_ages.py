from datetime import UTC, datetime, timedelta

import polars as pl

from noria.adapters.files import Files
from noria.core.declaration.dataset import Dataset
from noria.core.declaration.features import feature_view
from noria.stages.data.versions import snapshot
from noria.stages.features.ages import view_ages

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_age_is_that_of_the_newest_row_that_had_happened_and_was_known(tmp_path):
    rows = pl.DataFrame(
        {
            "city": ["ulm", "ulm", "bonn"],
            "at": [START, START + 4 * HOUR, START],
            "known": [START, START + 6 * HOUR, START],
            "heat": [1.0, 2.0, 3.0],
        },
        schema_overrides={"at": pl.Datetime("ms", "UTC"), "known": pl.Datetime("ms", "UTC")},
    )
    town = Dataset("town", rows, key="city", time="at", known="known")
    heat = feature_view(town, entity="city", ttl="1h", name="heat")(lambda t: t.select("city", "at", "known", "heat"))
    blobs = Files(tmp_path / "blobs")
    version = snapshot(town, blobs=blobs, at=START + 10 * HOUR, scratch=tmp_path)
    moments = pl.Series([START + 5 * HOUR, START + 7 * HOUR, START + 2 * HOUR, START], dtype=pl.Datetime("ms", "UTC"))
    found = view_ages(heat, pl.Series(["ulm", "ulm", "bonn", "rome"]), moments, version, blobs=blobs)
    assert found.columns == ("heat",)
    assert found.age_s.to_list() == [5 * 3_600, 3 * 3_600, 2 * 3_600, None]
