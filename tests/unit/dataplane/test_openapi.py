"""What the data plane says of itself: true for a validator, for its own answers, and for a reader."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest
from openapi_spec_validator import validate

from noria.core.access import Admission, Doors, new_key
from noria.core.ids import digest_of
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.traffic import Plan
from noria.dataplane.guard import Guard
from noria.dataplane.schemas import answer_schema, example_row, inputs_schema
from noria.stages.serving.model import spoken
from noria.stages.serving.validation import RequestCheck

EVERYTHING = Signature(
    inputs=(
        Field(name="tail", kind=Kind.TEXT),
        Field(name="carrier", kind=Kind.TEXT, categories=("AA", "UA")),
        Field(name="at", kind=Kind.TIME),
        Field(name="distance", kind=Kind.FLOAT),
        Field(name="seats", kind=Kind.INT, required=False),
        Field(name="cargo", kind=Kind.BOOL, required=False),
        Field(name="photo", kind=Kind.BYTES, required=False),
        Field(name="pixels", kind=Kind.TENSOR, dtype="float32", shape=(-1, 2)),
    ),
    features=(),
    task=Task.MULTICLASS,
    classes=("a", "b"),
)


def resolved(document: dict, schema: dict) -> jsonschema.Draft202012Validator:
    """A schema of the document with its references."""
    return jsonschema.Draft202012Validator(json.loads(json.dumps({**schema, "components": document["components"]})))


def test_the_document_is_valid_and_holds_every_endpoint_and_field(calling) -> None:
    async def scenario(call, office):
        document = (await call("GET", "/openapi.json")).json
        validate(document)
        assert document["openapi"].startswith("3.1")
        assert {"/predict/late", "/feedback/late", "/invocations", "/v2/models/{name}/infer", "/v1/models/{name}:predict"} <= set(
            document["paths"]
        )
        assert document["components"]["schemas"]["late.inputs"]["properties"]["distance"] == {"type": "number"}
        identifiers = [said["operationId"] for path in document["paths"].values() for said in path.values()]
        assert len(set(identifiers)) == len(identifiers)
        assert {} in document["paths"]["/predict/late"]["post"]["security"]
        assert document["paths"]["/health/live"]["get"]["security"] == []

    calling(scenario)


def test_its_examples_are_answered_as_it_says(calling) -> None:
    async def scenario(call, office):
        document = (await call("GET", "/openapi.json")).json
        asked = document["paths"]["/predict/late"]["post"]
        content = asked["requestBody"]["content"]["application/json"]
        wanted = resolved(document, asked["responses"]["200"]["content"]["application/json"]["schema"])
        for example in content["examples"].values():
            resolved(document, content["schema"]).validate(example["value"])
            answer = await call("POST", "/predict/late", example["value"])
            assert answer.status == 200
            wanted.validate(answer.json)
        refused = await call("POST", "/predict/late", {"inputs": {}})
        resolved(document, asked["responses"]["422"]["content"]["application/json"]["schema"]).validate(refused.json)
        for path, said in document["paths"].items():
            example = said.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
            if example is not None:
                name = path.replace("{name}", "late").replace("{version}", "1").replace("{label}", "champion")
                assert (await call("POST", name, example)).status == 200, path

    calling(scenario)


def test_beyond_this_machine_a_key_is_asked_for(calling) -> None:
    async def scenario(call, office):
        assert (await call("GET", "/openapi.json")).status == 401
        told = (await call("GET", "/openapi.json", authorization="Bearer secret")).json
        assert told["paths"]["/predict/late"]["post"]["security"] == [{"bearer": []}, {"key": []}]

    calling(scenario, token="secret")


def test_a_key_opens_the_description_of_its_deployment(calling) -> None:
    key, id = new_key()
    guard = Guard(token="home")
    guard.doors = Doors(deployments={"late": {id: Admission(digest=digest_of(key.encode()))}})

    async def scenario(call, office):
        mine = await call("GET", "/docs", query="deployment=late", authorization=f"Bearer {key}")
        assert mine.status == 200
        assert (await call("GET", "/docs", authorization=f"Bearer {key}")).status == 401

    calling(scenario, guard=guard)


def test_the_page_needs_nothing_but_itself_and_shows_names_as_they_are(calling) -> None:
    async def scenario(call, office):
        route = office.plan().routes["late"]
        named = "<script>alert(1)</script>"
        await office.desk.apply(Plan(revision=2, routes={"late": route, named: replace(route, deployment=named)}))
        page = (await call("GET", "/docs", host="predict.example.com:7701")).body.decode()
        assert "<script" not in page and "&lt;script&gt;" in page
        assert "src=" not in page and "http" not in page.replace("http://predict.example.com:7701/predict", "")
        assert "may be left out" not in page and "/invocations" in page
        assert "evil" not in (await call("GET", "/docs", host="evil'><x>")).body.decode()
        validate((await call("GET", "/openapi.json")).json)
        assert (await call("GET", "/docs", query="deployment=nobody")).status == 404

    calling(scenario)


def test_a_schema_takes_what_the_desk_takes() -> None:
    schema = jsonschema.Draft202012Validator(inputs_schema(EVERYTHING))
    row = example_row(EVERYTHING)
    for fine in (row, row | {"seats": None, "cargo": None, "photo": {"b64": "AA=="}}, row | {"pixels": [[1, 2], [3, 4]]}):
        schema.validate(fine)
        RequestCheck(EVERYTHING).row(fine)
    for wrong in ({"tail": 1}, {"seats": 1.5}, {"cargo": "yes"}, {"photo": 1}, {"pixels": [[1]]}, {"other": 1}, {"tail": None}):
        with pytest.raises(jsonschema.ValidationError):
            schema.validate(row | wrong)
        with pytest.raises(ValueError):
            RequestCheck(EVERYTHING).row(row | wrong)


@pytest.mark.parametrize(
    ("signature", "answer"),
    [
        (EVERYTHING, (0.25, 0.75)),
        (replace(EVERYTHING, task=Task.BINARY), 0.25),
        (replace(EVERYTHING, task=Task.REGRESSION, classes=()), 7.5),
        (replace(EVERYTHING, task=Task.QUANTILE, classes=("0.1", "0.9")), (1.0, 2.0)),
        (replace(EVERYTHING, task=Task.VECTOR, classes=(), width=2), (1.0, 2.0)),
    ],
)
def test_an_answer_is_as_its_schema_says(signature, answer) -> None:
    prediction, label = spoken(signature, answer)
    said = {"id": "a", "version": 1, "role": "champion", "prediction": prediction} | ({} if label is None else {"label": label})
    jsonschema.Draft202012Validator(answer_schema(signature)).validate(said)
