"""What a package takes in memory, told from its file."""

import numpy as np
import pytest
from lightgbm import LGBMRegressor
from sklearn.linear_model import Ridge

from noria.adapters.files import Files
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.sizes import size_bytes
from noria.packaging import package
from noria.packaging.footprint import footprint_bytes

FIELDS = tuple(Field(name=name, kind=Kind.FLOAT) for name in "abc")
SIGNATURE = Signature(inputs=FIELDS, features=FIELDS, task=Task.REGRESSION)
X = np.random.default_rng(1).normal(size=(100, 3))


def test_a_larger_file_takes_more_and_a_graph_more_than_a_text(tmp_path):
    blobs = Files(tmp_path)
    few, many = (
        footprint_bytes(
            package.save(
                LGBMRegressor(n_estimators=n, verbose=-1, n_jobs=1).fit(X, X[:, 0]), SIGNATURE, X, blobs=blobs, scratch=tmp_path
            ).artifact,
            blobs=blobs,
        )
        for n in (2, 40)
    )
    graph = footprint_bytes(package.save(Ridge().fit(X, X[:, 0]), SIGNATURE, X, blobs=blobs, scratch=tmp_path).artifact, blobs=blobs)
    assert 40_000 < few < many < 1_000_000 and 150_000 < graph < 200_000


@pytest.mark.parametrize(("text", "size"), [("512MB", 512 << 20), ("2 GiB", 2 << 30), ("1.5gb", 3 << 29), ("7B", 7)])
def test_amounts_of_memory_are_read_as_people_write_them(text, size):
    assert size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "2", "GB", "-1GB", "2 gallons"])
def test_what_is_no_amount_of_memory_is_refused(text):
    with pytest.raises(ValueError, match="no amount of memory"):
        size_bytes(text)
