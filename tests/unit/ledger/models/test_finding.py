from dataclasses import replace

import pytest

from noria.core.errors import RequestInvalid
from noria.ledger.models.finding import Search, find_models, find_versions
from noria.ledger.models.sources import Source

PROMPT = {"mlflow.prompt.is_prompt": "true"}


@pytest.fixture
def filled(registry, ada):
    for n, name in enumerate(("Churn", "churn", "late", "x_y")):
        registry.models.create(replace(ada, at_ms=1_000 + n), name, tags={"team": "crm" if n < 2 else "ops", f"own{n}": "1"})
    registry.models.create(ada, "hello", tags={**PROMPT, "team": "crm"})
    registry.models.create(replace(ada, project="blue"), "theirs")
    for n, name in enumerate(("churn", "late", "churn", "hello")):
        tags = PROMPT if name == "hello" else {"stage": "a" if n else "b"}
        source = Source(source=f"s3://b/{n}", location=f"s3://b/{n}", run=f"r{n % 2}")
        registry.versions.create(replace(ada, at_ms=2_000 + n), name, source, tags=tags)
    return registry


def names(registry, filter="", **more):
    return [one.name for one in find_models(registry.sql, "default", Search(filter=filter, **more))[0]]


def found(registry, filter="", **more):
    return [(one.name, one.number) for one in find_versions(registry.sql, "default", Search(filter=filter, **more))[0]]


@pytest.mark.parametrize(
    ("filter", "wanted"),
    [
        ("", ["Churn", "churn", "late", "x_y"]),
        ("name = 'churn'", ["churn"]),
        ("name != 'churn'", ["Churn", "late", "x_y"]),
        ("name LIKE 'ch%'", ["churn"]),
        ("name ILIKE 'ch%'", ["Churn", "churn"]),
        ("name IN ('late', 'churn')", ["churn", "late"]),
        ("tags.team = 'crm'", ["Churn", "churn"]),
        ("tag.team != 'crm'", ["late", "x_y"]),
        ("tags.team = 'crm' AND tags.own1 = '1'", ["churn"]),
        ("tags.`mlflow.prompt.is_prompt` = 'true'", ["hello"]),
        ("tags.`mlflow.prompt.is_prompt` = 'true' AND tags.team = 'ops'", []),
        ("tags.`mlflow.prompt.is_prompt` != 'true'", ["Churn", "churn", "late", "x_y"]),
    ],
)
def test_models_are_found_by_name_and_tags_and_prompts_only_when_asked_for(filled, filter, wanted):
    assert names(filled, filter) == wanted


@pytest.mark.parametrize(
    ("filter", "wanted"),
    [
        ("", [("churn", 2), ("late", 1), ("churn", 1)]),
        ("name = 'churn'", [("churn", 2), ("churn", 1)]),
        ("run_id = 'r0'", [("churn", 2), ("churn", 1)]),
        ("run_id IN ('r1')", [("late", 1)]),
        ("version_number > 1", [("churn", 2)]),
        ("source_path LIKE '%/1'", [("late", 1)]),
        ("tags.stage = 'b'", [("churn", 1)]),
        ("tags.`mlflow.prompt.is_prompt` = 'true'", [("hello", 1)]),
    ],
)
def test_versions_are_found_newest_first(filled, filter, wanted):
    assert found(filled, filter) == wanted


def test_orders_are_kept_and_names_break_ties(filled):
    assert names(filled, order=("last_updated_timestamp DESC",))[:2] == ["churn", "late"]
    assert names(filled, order=("name DESC",)) == ["x_y", "late", "churn", "Churn"]
    assert found(filled, order=("name ASC", "version_number ASC")) == [("churn", 1), ("churn", 2), ("late", 1)]
    with pytest.raises(RequestInvalid):
        names(filled, order=("size",))


def test_pages_follow_each_other_without_gaps_even_when_rows_come_between(filled, ada):
    page, token = find_models(filled.sql, "default", Search(size=2))
    assert [one.name for one in page] == ["Churn", "churn"]
    filled.models.create(ada, "aaa")
    page, token = find_models(filled.sql, "default", Search(size=2, token=token))
    assert ([one.name for one in page], token) == (["late", "x_y"], "")
    first, token = find_versions(filled.sql, "default", Search(size=1))
    second, token = find_versions(filled.sql, "default", Search(size=2, token=token))
    assert ([one.number for one in (*first, *second)], token) == ([2, 1, 1], "")


@pytest.mark.parametrize("size", [0, -1, 1_001])
def test_pages_have_a_bound(filled, size):
    with pytest.raises(RequestInvalid):
        names(filled, size=size)
