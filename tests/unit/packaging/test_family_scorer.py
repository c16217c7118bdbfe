"""A family as one scorer: members answer the rows of their partitions, the parent all others."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

from noria.adapters.files import Files
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Family
from noria.packaging import package
from noria.packaging.family_scorer import FamilyScorer, partitions_of
from noria.ports import wire

X = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0], [0.0, 4.0], [np.nan, 5.0]])
SHOP = Field(name="shop", kind=Kind.TEXT, categories=("east", "south", "west"))
AMOUNT = Field(name="amount", kind=Kind.FLOAT)


@pytest.fixture
def family(tmp_path):
    """A parent that doubles the amount; east's own model takes it times ten."""
    blobs = Files(tmp_path / "blobs")

    def saved(factor: float, features: tuple[Field, ...]) -> str:
        signature = Signature(inputs=(SHOP, AMOUNT), features=features, task=Task.REGRESSION)
        rows = np.nan_to_num(X[:, -len(features) :])
        model = LinearRegression().fit(rows, factor * rows[:, -1])
        return package.save(model, signature, rows, blobs=blobs, scratch=tmp_path).artifact

    def make(*features: Field, missing: bool = False) -> FamilyScorer:
        parent, member = saved(2.0, features), saved(10.0, features)
        members = {"east": member, "nowhere": member} | ({"west": "sha256:" + "0" * 64} if missing else {})
        return FamilyScorer(parent, blobs.put(wire.dump(Family(by="shop", members=members))), blobs=blobs)

    return make


def test_rows_are_answered_by_who_they_belong_to(family) -> None:
    scorer = family(AMOUNT)
    assert scorer.answer(X[:, 1:], ["east", "south", "west", "east", ""]) == pytest.approx([10.0, 4.0, 6.0, 40.0, 10.0], abs=1e-4)
    assert scorer.score(X[:, 1:]) == pytest.approx([2.0, 4.0, 6.0, 8.0, 10.0], abs=1e-4)


def test_where_the_partition_is_a_feature_the_matrix_says_whose_each_row_is(family) -> None:
    rows = np.nan_to_num(X)
    assert family(SHOP, AMOUNT).score(rows) == pytest.approx([10.0, 4.0, 6.0, 40.0, 50.0], abs=1e-4)


def test_a_member_that_is_missing_leaves_its_rows_to_the_parent_on_the_record(family) -> None:
    scorer = family(AMOUNT, missing=True)
    assert scorer.answer(X[:3, 1:], ["east", "south", "west"]) == pytest.approx([10.0, 4.0, 6.0], abs=1e-4)
    assert list(scorer.failed) == ["west"]


def test_partitions_are_named_as_requests_name_them() -> None:
    frame = pl.DataFrame({"shop": ["east", None], "store": [7, None]})
    assert (partitions_of(frame, "shop"), partitions_of(frame, "store")) == (["east", ""], ["7", ""])
