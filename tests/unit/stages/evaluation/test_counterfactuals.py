import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.core.explaining import Constraints
from noria.core.schema import Field, Kind
from noria.stages.evaluation.counterfactuals import counterfactuals

FIELDS = (
    Field(name="income", kind=Kind.FLOAT),
    Field(name="age", kind=Kind.INT),
    Field(name="job", kind=Kind.TEXT, categories=("clerk", "none", "nurse")),
    Field(name="debt", kind=Kind.FLOAT),
)


def granted(X):
    return 1 / (1 + np.exp(-(X[:, 0] / 10 - X[:, 3] / 5 + (X[:, 2] == 2) - 3)))


def people(rng, n=400):
    return np.column_stack([rng.gamma(9, 4, n), rng.integers(18, 80, n), rng.integers(0, 3, n), rng.gamma(2, 3, n)]).astype(float)


POOR = np.array([22.0, 30.0, 1.0, 9.0])


def test_each_reaches_the_target_changes_few_features_and_the_last_is_a_real_row():
    real = people(np.random.default_rng(1))
    found = counterfactuals(granted, POOR, real, FIELDS, target=0.5, up=True)
    assert all(one.answer >= 0.5 for one in found)
    assert [one.found for one in found] == ["generated"] * (len(found) - 1) + ["row"]
    assert all(1 <= len(one.changes) <= 3 for one in found[:-1])
    assert found[0].distance <= found[-1].distance
    assert found[0].plausible


names = st.sampled_from([field.name for field in FIELDS])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1_000), st.sets(names, max_size=2), st.sets(names, max_size=2), st.sets(names, max_size=2), st.booleans())
def test_no_constraint_is_ever_broken(seed, keep, up, down, rise):
    rng = np.random.default_rng(seed)
    real, row = people(rng, 120), people(rng, 1)[0]
    allowed = Constraints(keep=frozenset(keep), up=frozenset(up), down=frozenset(down), step={"income": 5.0}, most=2)
    for one in counterfactuals(granted, row, real, FIELDS, target=0.5, up=rise, constraints=allowed):
        assert (one.answer >= 0.5) is rise
        for change in one.changes:
            assert change.feature not in keep
            if change.feature == "job":
                continue
            if change.feature in up:
                assert change.after > change.before
            if change.feature in down:
                assert change.after < change.before
            if one.found == "generated" and change.feature == "income":
                assert (change.after - change.before) / 5.0 == pytest.approx(round((change.after - change.before) / 5.0))


def test_nothing_is_made_up_where_nothing_helps():
    real = people(np.random.default_rng(1))
    everything = frozenset(field.name for field in FIELDS)
    assert counterfactuals(granted, POOR, real, FIELDS, target=0.5, up=True, constraints=Constraints(keep=everything)) == []


def test_a_row_unlike_any_real_one_is_called_so():
    rng = np.random.default_rng(3)
    income = rng.normal(50, 10, 400)
    real = np.column_stack([income, income * 2 + rng.normal(0, 0.5, 400)])
    fields = (Field(name="a", kind=Kind.FLOAT), Field(name="b", kind=Kind.FLOAT))
    row = np.array([40.0, 80.0])
    found = counterfactuals(lambda X: X[:, 0] / 100, row, real, fields, target=0.6, up=True, constraints=Constraints(most=1))
    assert not found[0].plausible
    assert found[-1].plausible


def test_missing_values_may_change_and_be_kept():
    real = people(np.random.default_rng(1))
    row = POOR.copy()
    row[1] = np.nan
    found = counterfactuals(granted, row, real, FIELDS, target=0.5, up=True, constraints=Constraints(keep=frozenset({"age"})))
    assert found and all(change.feature != "age" for one in found for change in one.changes)
