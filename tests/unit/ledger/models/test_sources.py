from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noria.core.errors import NotFound, RequestInvalid
from noria.ledger.models.sources import Root, of_prompt, resolved, within
from noria.ledger.models.values import RegisteredVersion, Stage


class Known:
    """One run, one logged model and one version."""

    def run(self, run):
        return {"r1": Root(location="mlflow-artifacts:/0/r1/artifacts", run="r1"), "old": Root(location="file:///runs/old", run="old")}.get(
            run
        )

    def model(self, model_id):
        return Root(location="mlflow-artifacts:/0/models/m-1/artifacts", run="r1") if model_id == "m-1" else None

    def version(self, reference):
        if not reference.startswith("churn"):
            raise NotFound("no")
        return RegisteredVersion(
            name="churn", number=3, description="", by="", stage=Stage.NONE, source="runs:/r1/model", location="mlflow-artifacts:/0/r1/artifacts/model",
            run="r1", run_link="", model_id="m-1", created_ms=0, updated_ms=0,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("source", "named", "location"),
    [
        ("runs:/r1/model", {"run": "r1"}, "mlflow-artifacts:/0/r1/artifacts/model"),
        ("runs:/r1", {"run": "r1"}, "mlflow-artifacts:/0/r1/artifacts"),
        ("models:/m-1", {"model_id": "m-1"}, "mlflow-artifacts:/0/models/m-1/artifacts"),
        ("mlflow-artifacts:/0/r1/artifacts/model", {"run": "r1"}, "mlflow-artifacts:/0/r1/artifacts/model"),
        ("mlflow-artifacts:/0/models/m-1/artifacts", {"model_id": "m-1"}, "mlflow-artifacts:/0/models/m-1/artifacts"),
        ("models:/churn/3", {}, "mlflow-artifacts:/0/r1/artifacts/model"),
        ("models:/churn@best", {"run": "r1"}, "mlflow-artifacts:/0/r1/artifacts/model"),
        ("s3://bucket/a/b", {}, "s3://bucket/a/b"),
        ("https://elsewhere/a/b", {"run": "r1"}, "https://elsewhere/a/b"),
        ("file:///runs/old/model", {"run": "old"}, "file:///runs/old/model"),
    ],
)
def test_what_belongs_to_what_was_named_is_taken_with_its_place(source, named, location):
    assert resolved(source, Known(), **named).location == location


def test_a_copy_keeps_the_run_and_the_model_of_the_first_and_names_it_by_number():
    found = resolved("models:/churn@best", Known())
    assert (found.source, found.run, found.model_id) == ("models:/churn/3", "r1", "m-1")


def test_the_run_of_a_logged_model_is_known_without_being_named():
    assert resolved("models:/m-1", Known(), model_id="m-1").run == "r1"


@pytest.mark.parametrize(
    ("source", "named", "said"),
    [
        ("runs:/r1/model", {}, "run_id request parameter must identify"),
        ("runs:/r1/model", {"run": "r2"}, "run_id request parameter must identify"),
        ("runs://r1/model", {"run": "r1"}, "run_id request parameter must identify"),
        ("runs:/r1/model", {"model_id": "m-1"}, "model_id request parameter must identify"),
        ("models:/m-1", {"model_id": "m-2"}, "model_id request parameter must identify"),
        ("models:/m-1", {"run": "r1"}, "model_id request parameter must identify"),
        ("mlflow-artifacts:/0/r2/artifacts/model", {"run": "r1"}, "run_id request parameter must identify"),
        ("mlflow-artifacts:/0/r1/artifactsX", {"run": "r1"}, "run_id request parameter must identify"),
        ("mlflow-artifacts:/0/r1/artifacts/model", {}, "run_id request parameter must identify"),
        ("https://h/api/2.0/mlflow-artifacts/artifacts/0/r9", {"run": "r1"}, "run_id request parameter must identify"),
        ("models:/churn/3", {"run": "r2"}, "must match the referenced model version"),
        ("models://other/churn/3", {}, "must use the active model registry"),
        ("/etc/passwd", {}, "To use a local path as a model version source"),
        ("file:///etc", {"run": "r1"}, "To use a local path as a model version source"),
        ("file:///runs/old/../../etc", {"run": "old"}, "To use a local path as a model version source"),
        ("s3://bucket/a/../b", {}, "without relative path references"),
        ("mlflow-artifacts:/0/r1/artifacts/%2e%2e/r2", {"run": "r1"}, "without relative path references"),
        ("mlflow-artifacts:/0/r1/artifacts/%252e%252e/r2", {"run": "r1"}, "without relative path references"),
        ("http://[::1/a", {}, "is no address"),
        ("https://h/a%00b", {}, "without relative path references"),
    ],
)
def test_what_belongs_to_nothing_that_was_named_is_refused(source, named, said):
    with pytest.raises(RequestInvalid, match=said):
        resolved(source, Known(), **named)


def test_a_prompt_has_one_of_two_words_as_its_source():
    assert of_prompt("dummy-source").location == "dummy-source"
    with pytest.raises(RequestInvalid, match="Invalid prompt source"):
        of_prompt("s3://bucket/prompt")


@given(st.text(max_size=60))
def test_whatever_is_named_as_a_source_is_taken_or_refused(text):
    with suppress(RequestInvalid, NotFound):
        resolved(text, Known(), run="r1")


@given(st.lists(st.sampled_from(["a", "b", "..", "%2e%2e", "/", "%2f", "."]), max_size=8))
def test_no_path_within_a_run_leads_out_of_it(parts):
    source = "mlflow-artifacts:/0/r1/artifacts/" + "/".join(parts)
    try:
        found = resolved(source, Known(), run="r1")
    except RequestInvalid:
        return
    assert within(found.location, "mlflow-artifacts:/0/r1/artifacts")
    assert ".." not in found.location
    assert "%2e" not in found.location
