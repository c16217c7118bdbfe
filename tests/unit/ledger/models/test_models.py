from dataclasses import replace

import pytest

from noria.core.errors import AlreadyThere, NotFound, RequestInvalid
from noria.ledger.models.sources import Source
from noria.ledger.models.values import Stage

ANYWHERE = Source(source="s3://b/churn", location="s3://b/churn")


def test_a_model_is_read_as_it_was_registered(registry, ada):
    made = registry.models.create(ada, "churn", description="who leaves", tags={"team": "crm", "tier": "1"})
    assert made == registry.models.get("default", "churn")
    assert (made.name, made.description, made.tags, made.created_ms, made.by) == (
        "churn",
        "who leaves",
        {"team": "crm", "tier": "1"},
        1_000,
        "ada",
    )
    assert (made.latest, made.aliases, made.is_prompt) == ((), {}, False)


def test_a_name_that_is_taken_is_refused_and_the_first_stays(registry, ada):
    registry.models.create(ada, "churn")
    with pytest.raises(AlreadyThere, match=r"Registered Model \(name=churn\) already exists"):
        registry.models.create(ada, "churn", description="another")
    with pytest.raises(AlreadyThere, match="already taken by a registered model"):
        registry.models.create(ada, "churn", tags={"mlflow.prompt.is_prompt": "true"})
    assert registry.models.get("default", "churn").description == ""


def test_each_project_has_names_of_its_own(registry, ada):
    registry.models.create(ada, "churn")
    other = replace(ada, project="blue")
    registry.models.create(other, "churn", description="theirs")
    assert registry.models.get("blue", "churn").description == "theirs"
    with pytest.raises(NotFound, match="Registered Model with name=churn not found"):
        registry.models.get("green", "churn")


def test_a_renamed_model_takes_its_versions_and_aliases_along(registry, ada):
    registry.models.create(ada, "churn")
    registry.versions.create(ada, "churn", ANYWHERE)
    registry.aliases.set(ada, "churn", "best", 1)
    renamed = registry.models.rename(replace(ada, at_ms=2_000), "churn", "leavers")
    assert (renamed.name, renamed.aliases, renamed.updated_ms) == ("leavers", {"best": 1}, 2_000)
    assert registry.versions.get("default", "leavers", 1).updated_ms == 2_000
    with pytest.raises(NotFound):
        registry.models.get("default", "churn")
    registry.models.create(ada, "churn")
    with pytest.raises(AlreadyThere):
        registry.models.rename(ada, "churn", "leavers")


def test_a_deleted_model_takes_all_of_it_along_and_the_name_is_free(registry, ada):
    registry.models.create(ada, "churn", tags={"a": "b"})
    registry.versions.create(ada, "churn", ANYWHERE, tags={"c": "d"})
    registry.aliases.set(ada, "churn", "best", 1)
    registry.models.delete(ada, "churn")
    with pytest.raises(NotFound):
        registry.models.delete(ada, "churn")
    fresh = registry.models.create(ada, "churn")
    assert (fresh.tags, fresh.aliases, fresh.latest) == ({}, {}, ())
    assert registry.aliases.moves("default", "churn") == []
    assert [event.kind for event in registry.ledger.events(loop="churn")][-2:] == ["model.deleted", "model.created"]


def test_tags_are_set_over_and_taken_away(registry, ada):
    registry.models.create(ada, "churn")
    registry.models.tag(ada, "churn", "team", "crm")
    registry.models.tag(ada, "churn", "team", "sales")
    registry.models.tag(ada, "churn", "a/b c.d:e", "x" * 100_000)
    registry.models.untag(ada, "churn", "never there")
    assert registry.models.get("default", "churn").tags["team"] == "sales"
    registry.models.untag(ada, "churn", "team")
    assert list(registry.models.get("default", "churn").tags) == ["a/b c.d:e"]
    with pytest.raises(RequestInvalid):
        registry.models.tag(ada, "churn", "team", "x" * 100_001)
    with pytest.raises(NotFound):
        registry.models.tag(ada, "none", "team", "crm")


def test_numbers_of_versions_are_never_used_again(registry, ada):
    registry.models.create(ada, "churn")
    assert [registry.versions.create(ada, "churn", ANYWHERE).number for _ in range(3)] == [1, 2, 3]
    registry.versions.delete(ada, "churn", 3)
    assert registry.versions.create(ada, "churn", ANYWHERE).number == 4
    with pytest.raises(NotFound, match=r"Model Version \(name=churn, version=3\) not found"):
        registry.versions.get("default", "churn", "3")
    with pytest.raises(NotFound, match="Registered Model with name=none not found"):
        registry.versions.create(ada, "none", ANYWHERE)


def test_a_version_is_read_as_it_was_registered(registry, ada):
    registry.models.create(ada, "churn")
    source = Source(source="runs:/r1/model", location="mlflow-artifacts:/0/r1/artifacts/model", run="r1", model_id="m-1")
    registry.versions.create(ada, "churn", source, description="first", run_link="http://x", tags={"a": "1"})
    found = registry.versions.get("default", "churn", "1")
    assert (found.source, found.location, found.run, found.model_id, found.run_link) == (
        "runs:/r1/model",
        "mlflow-artifacts:/0/r1/artifacts/model",
        "r1",
        "m-1",
        "http://x",
    )
    assert (found.description, found.tags, found.stage, found.aliases) == ("first", {"a": "1"}, Stage.NONE, ())
    registry.versions.tag(ada, "churn", 1, "b", "2")
    registry.versions.untag(ada, "churn", 1, "a")
    assert registry.versions.describe(ada, "churn", 1, "better").description == "better"
    assert registry.versions.get("default", "churn", 1).tags == {"b": "2"}


def test_an_alias_points_to_one_version_and_its_history_says_who_moved_it_when_and_why(registry, ada):
    registry.models.create(ada, "churn")
    registry.versions.create(ada, "churn", ANYWHERE, tags={"reason": "better on slices"})
    registry.versions.create(ada, "churn", ANYWHERE, description="trained on May\nmore")
    registry.aliases.set(ada, "churn", "champion", 1)
    registry.aliases.set(replace(ada, at_ms=2_000, by="bob"), "churn", "champion", 2)
    registry.aliases.set(replace(ada, at_ms=2_500, by="bob"), "churn", "champion", 2)
    assert registry.versions.get("default", "churn", 1).aliases == ()
    assert registry.aliases.version("default", "churn", "champion").number == 2
    registry.versions.delete(replace(ada, at_ms=3_000), "churn", 2)
    told = [(move.before, move.after, move.by, move.reason, move.at_ms) for move in registry.aliases.moves("default", "churn")]
    assert told == [
        ("", "1", "ada", "better on slices", 1_000),
        ("1", "2", "bob", "trained on May", 2_000),
        ("2", "", "ada", "the version was deleted", 3_000),
    ]
    assert [registry.aliases.pointed_at("default", "churn", "champion", at) for at in (999, 1_000, 2_999, 3_000)] == [None, 1, 2, None]
    events = registry.ledger.events(loop="churn", kind="alias.moved")
    assert [(event.by, event.reasons[0]) for event in events] == [
        ("ada", "champion: none → v1"),
        ("bob", "champion: v1 → v2"),
        ("ada", "champion: v2 → none"),
    ]


def test_aliases_are_taken_away_and_one_that_is_not_there_is_said(registry, ada):
    registry.models.create(ada, "churn")
    registry.versions.create(ada, "churn", ANYWHERE)
    registry.aliases.set(ada, "churn", "best", 1)
    registry.aliases.drop(ada, "churn", "best")
    registry.aliases.drop(ada, "churn", "best")
    with pytest.raises(RequestInvalid, match="Registered model alias best not found"):
        registry.aliases.version("default", "churn", "best")
    assert registry.aliases.version("default", "churn", "Latest").number == 1
    with pytest.raises(NotFound, match=r"Model Version \(name=churn, version=9\) not found"):
        registry.aliases.set(ada, "churn", "best", 9)
    with pytest.raises(NotFound, match="Registered Model with name=none not found"):
        registry.aliases.drop(ada, "none", "best")


def test_stages_move_with_their_history_and_can_archive_the_others(registry, ada):
    registry.models.create(ada, "churn")
    for _ in range(3):
        registry.versions.create(ada, "churn", ANYWHERE)
    registry.versions.transition(ada, "churn", 1, "production")
    registry.versions.transition(ada, "churn", 2, "Staging")
    moved = registry.versions.transition(replace(ada, at_ms=5_000), "churn", 2, "Production", archive=True)
    assert (moved.stage, moved.updated_ms) == (Stage.PRODUCTION, 5_000)
    assert [(one.number, one.stage) for one in registry.versions.latest("default", "churn")] == [
        (1, "Archived"),
        (2, "Production"),
        (3, "None"),
    ]
    assert [one.number for one in registry.versions.latest("default", "churn", ["PRODUCTION"])] == [2]
    assert registry.versions.latest("default", "churn", ["staging"]) == []
    told = [(m.subject, m.before, m.after, m.reason) for m in registry.aliases.moves("default", "churn")]
    assert told[-2:] == [("1", "Production", "Archived", "v2 took its place"), ("2", "Staging", "Production", "")]
    with pytest.raises(RequestInvalid, match="Invalid Model Version stage: great"):
        registry.versions.transition(ada, "churn", 1, "great")
    with pytest.raises(RequestInvalid, match="is not an Active stage"):
        registry.versions.transition(ada, "churn", 1, "Archived", archive=True)


@pytest.mark.parametrize(("reference", "number"), [("churn/1", 1), ("churn/latest", 3), ("churn/Production", 2), ("churn@best", 1)])
def test_versions_are_named_by_number_stage_alias_or_as_the_latest(registry, ada, reference, number):
    registry.models.create(ada, "churn")
    for _ in range(3):
        registry.versions.create(ada, "churn", ANYWHERE)
    registry.versions.transition(ada, "churn", 2, "Production")
    registry.aliases.set(ada, "churn", "best", 1)
    assert registry.versions.named("default", reference).number == number


def test_many_models_are_read_each_with_its_own_tags(registry, ada):
    from noria.ledger.models import reading

    for n in range(401):
        registry.models.create(ada, f"m{n:03d}", tags={"n": str(n)})
    found = reading.models(registry.sql.read, "ORDER BY m.name", ())
    assert [one.tags["n"] for one in found] == [str(n) for n in range(401)]
