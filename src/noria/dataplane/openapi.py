"""The data plane's description of itself: OpenAPI 3.1 of every protocol, with each deployment's own fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from noria import __version__
from noria.dataplane.exchange import Endpoint, Face, Refused
from noria.dataplane.schemas import Schema, answer_schema, example_row, inputs_schema
from noria.dataplane.tensor_forms import inputs_of
from noria.stages.serving.desk import Deployed

LIMIT = 100
"""Most deployments that one document describes; `?deployment=` asks for any one."""

_KEY: tuple[dict[str, list[str]], ...] = ({"bearer": []}, {"key": []})
_ERRORS = {
    "400": "It cannot be read, or does not fit",
    "401": "No key or token, or a wrong one",
    "404": "There is no such deployment or version",
    "413": "The body is too large",
    "422": "It does not fit the deployment",
    "429": "The deployment is over its share",
    "503": "Nothing can answer now",
    "504": "There was no answer in time",
}


def openapi(faces: Sequence[Face], deployed: Sequence[Deployed], *, keys: bool) -> Schema:
    """The document.

    Args:
        deployed: Whose fields it holds.
        keys: Whether callers must show a key or the token; where not, they may.
    """
    paths: dict[str, dict[str, Schema]] = {}
    for face in faces:
        for endpoint in face.endpoints:
            for path, said in _operations(face, endpoint, deployed):
                security = [] if endpoint.open else [*_KEY, *([] if keys else [{}])]
                paths.setdefault(path, {})[endpoint.method.lower()] = said | {"security": security}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Noria's data plane", "version": __version__, "summary": "Predictions, in every protocol that it speaks."},
        "paths": paths,
        "tags": [{"name": face.name} for face in faces],
        "components": {
            "schemas": {"Error": _error_schema(), **dict(_schemas(deployed))},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A key of the deployment, or the home's token."},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _operations(face: Face, endpoint: Endpoint, deployed: Sequence[Deployed]) -> Iterator[tuple[str, Schema]]:
    """The paths of an endpoint: one for each deployment where its body is the deployment's own."""
    ours = {"/predict/{name}": _predict, "/feedback/{name}": _feedback}.get(endpoint.pattern)
    if ours is not None:
        for one in deployed:
            path = endpoint.pattern.replace("{name}", quote(one.name, safe=""))
            yield path, _operation(face, endpoint, path, {}) | ours(one)
        return
    named = re.findall(r"{(\w+)}", endpoint.pattern)
    told: Schema = {"parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named]}
    if endpoint.method == "POST":
        example = _example(endpoint.pattern, deployed[0]) if deployed else None
        content: Schema = {"schema": {"type": "object"}} | ({"example": example} if example else {})
        told["requestBody"] = {"content": {"application/json": content}}
    yield endpoint.pattern, _operation(face, endpoint, endpoint.pattern, told if named or endpoint.method == "POST" else {})


def _operation(face: Face, endpoint: Endpoint, path: str, more: Schema) -> Schema:
    identifier = re.sub(r"\W+", "_", f"{endpoint.method.lower()}{path}").strip("_")
    responses: Schema = {"200": {"description": "The answer"}}
    if not (endpoint.open and endpoint.method == "GET"):
        example = orjson.loads(face.refusal(Refused("unauthorized", "a key of this deployment is needed"), 401).body)
        responses["default"] = {"description": "What went wrong", "content": {"application/json": {"example": example}}}
    return {"tags": [face.name], "summary": endpoint.summary, "operationId": identifier, "responses": responses, **more}


def _predict(one: Deployed) -> Schema:
    name = component(one.name)
    row = example_row(one.signature)
    many = {"type": "object", "properties": {"rows": {"type": "array", "items": _ref(f"{name}.request")}}, "required": ["rows"]}
    answers = {"type": "object", "properties": {"rows": {"type": "array", "items": _ref(f"{name}.answer")}}, "required": ["rows"]}
    return {
        "summary": f"Answers of {one.name} to one row or to many",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [_ref(f"{name}.request"), many | {"additionalProperties": False}]},
                    "examples": {"one": {"value": {"inputs": row}}, "many": {"value": {"rows": [{"id": "my-id", "inputs": row}]}}},
                }
            },
        },
        "responses": _responses({"oneOf": [_ref(f"{name}.answer"), answers]}, ("400", "401", "404", "413", "422", "429", "503", "504")),
    }


def _feedback(one: Deployed) -> Schema:
    value: Schema = {"enum": list(one.signature.classes)} if one.signature.classes else {}
    outcome = {
        "type": "object",
        "properties": {"id": {"type": "string"}, "value": value, "time": {"type": "string"}, "metrics": {"type": "object"}},
        "required": ["id"],
    }
    told = {"type": "object", "properties": {"outcomes": {"type": "array", "items": outcome}}, "required": ["outcomes"]}
    accepted = {"type": "object", "properties": {"accepted": {"type": "integer"}}, "required": ["accepted"]}
    example = {"outcomes": [{"id": "my-id", "value": one.signature.classes[-1] if one.signature.classes else 1.0}]}
    return {
        "summary": f"What came of earlier requests to {one.name}",
        "requestBody": {"required": True, "content": {"application/json": {"schema": told, "example": example}}},
        "responses": _responses(accepted, ("400", "401", "404", "413", "422", "429", "503")),
    }


def _responses(schema: Schema, errors: Sequence[str]) -> Schema:
    refused = {"application/json": {"schema": _ref("Error")}}
    return {
        "200": {"description": "The answer", "content": {"application/json": {"schema": schema}}},
        **{status: {"description": _ERRORS[status], "content": refused} for status in errors},
    }


def _schemas(deployed: Sequence[Deployed]) -> Iterator[tuple[str, Schema]]:
    for one in deployed:
        name = component(one.name)
        yield f"{name}.inputs", inputs_schema(one.signature)
        yield f"{name}.answer", answer_schema(one.signature)
        yield (
            f"{name}.request",
            {
                "type": "object",
                "properties": {"id": {"type": ["string", "null"], "minLength": 1, "maxLength": 200}, "inputs": _ref(f"{name}.inputs")},
                "required": ["inputs"],
                "additionalProperties": False,
            },
        )


def _error_schema() -> Schema:
    told = {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "fix": {"type": "string", "description": "What to do next."},
        "fields": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Each wrong field with its reason."},
    }
    error = {"type": "object", "properties": told, "required": ["code", "message"]}
    return {"type": "object", "properties": {"error": error}, "required": ["error"]}


def _example(pattern: str, one: Deployed) -> Any:
    """A body that other protocols take, by the deployment's fields."""
    row = example_row(one.signature)
    if pattern.endswith(":predict"):
        return {"instances": [row]}
    if pattern.endswith("/infer"):
        return {
            "inputs": [
                {"name": spec.name, "datatype": spec.datatype, "shape": [1, *spec.shape[1:]], "data": [row[spec.name]]}
                for spec in inputs_of(one.signature)
            ]
        }
    return {"dataframe_records": [row]} if pattern.endswith(("/invocations", "/invoke")) else None


def component(name: str) -> str:
    """A deployment's name as a component may be called."""
    return re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
