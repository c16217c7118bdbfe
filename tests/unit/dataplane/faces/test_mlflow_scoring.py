"""MLflow's scoring protocol, and the platforms that speak it."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest

from noria import __version__
from noria.app.hosting import Hosting, read_hosting
from noria.core.errors import SettingsInvalid
from noria.core.traffic import Plan

SPLIT = {"dataframe_split": {"columns": ["tail", "distance"], "data": [["N1", 1000.0], ["N2", 2000]], "index": [0, 1]}}
RECORDS = {"dataframe_records": [{"tail": "N1", "distance": 1000.0}, {"tail": "N2", "distance": 2000}]}
TWO = [{"prediction": pytest.approx(0.11), "label": "on-time"}, {"prediction": pytest.approx(0.21), "label": "on-time"}]


def parquet(**columns) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(columns).write_parquet(out)
    return out.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        SPLIT,
        RECORDS,
        {"dataframe_split": {"columns": [0, 1], "data": [["N1", 1000.0], ["N2", 2000]]}},
        {"dataframe_split": {"data": [["N1", 1000.0], ["N2", 2000]]}},
        {"instances": RECORDS["dataframe_records"]},
        {"instances": [["N1", 1000.0], ["N2", 2000]], "parameters": {}},
        {"inputs": {"tail": ["N1", "N2"], "distance": [1000, 2000]}, "params": {"version": 1}},
        {"inputs": [["N1", 1000.0], ["N2", 2000]], "params": None},
    ],
)
@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=UTF-8", ""])
def test_a_table_in_any_form_is_answered_with_predictions(calling, body, kind) -> None:
    async def scenario(call, office):
        answer = await call("POST", "/invocations", body, kind=kind)
        assert (answer.status, answer.json) == (200, {"predictions": TWO})
        assert answer.headers["x-noria-version"] == "1"
        assert len(office.journal.predictions()) == 2

    calling(scenario)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/csv", "tail,distance\nN1,1000\nN2,2e3\n"),
        ("text/csv", "\ufefftail,distance\r\nN1,1000.0\r\n\r\nN2,2000\r\n"),
        ("text/csv", "N1,1000\nN2,2000"),
        ("text/csv; header=absent", "N1,1000\nN2,2000"),
        ("text/csv; header=present; charset=utf-8", 'distance,tail\n1000,"N1"\n2000,N2\n'),
        ("application/jsonlines", '{"tail": "N1", "distance": 1000}\n\n{"tail": "N2", "distance": 2000}\n'),
        ("application/vnd.apache.parquet", parquet(tail=["N1", "N2"], distance=[1000.0, 2000.0])),
        ("application/x-parquet", parquet(tail=["N1", "N2"], distance=[1000, 2000])),
    ],
)
def test_other_types_are_tables_too(calling, kind, body) -> None:
    async def scenario(call, office):
        answer = await call("POST", "/invocations", body, kind=kind)
        assert (answer.status, answer.json) == (200, {"predictions": TWO})

    calling(scenario)


def test_answers_come_as_the_caller_accepts_them(calling) -> None:
    async def scenario(call, office):
        table = await call("POST", "/invocations", RECORDS, accept="text/csv")
        assert [line.split(",")[1] for line in table.body.decode().splitlines()] == ["on-time", "on-time"]
        lines = await call("POST", "/invocations", RECORDS, accept="application/jsonlines")
        assert lines.body.count(b"\n") == 2
        azure = await call("POST", "/score", {"input_data": SPLIT["dataframe_split"]})
        assert azure.json == TWO

    calling(scenario)


def test_one_row_by_name_is_a_table_of_one(calling) -> None:
    async def scenario(call, office):
        answer = await call("POST", "/invocations", {"inputs": {"tail": "N1", "distance": 1000}}, x_amzn_sagemaker_inference_id="mine")
        assert answer.json == {"predictions": TWO[:1]}
        assert office.journal.predictions()[0].request_id == "mine" == answer.headers["x-noria-id"]
        await call("POST", "/invocations", SPLIT | {"params": {"ids": ["a", "b"]}})
        assert [one.request_id for one in office.journal.predictions()[1:]] == ["a", "b"]

    calling(scenario)


def test_what_python_writes_for_a_missing_number_is_missing(calling) -> None:
    async def scenario(call, office):
        answer = await call("POST", "/invocations", '{"dataframe_records": [{"tail": "NaN \\" NaN", "distance": NaN}]}')
        assert (answer.status, answer.json["message"]) == (400, "distance must not be null")
        fine = await call("POST", "/invocations", '{"dataframe_records": [{"tail": "NaN", "distance": 1}], "params": NaN}')
        assert (fine.status, office.journal.predictions()[0].inputs["tail"]) == (200, "NaN")

    calling(scenario)


@pytest.mark.parametrize(
    ("body", "kind", "status", "word", "told"),
    [
        ("{", "application/json", 400, "BAD_REQUEST", "not JSON"),
        ('{"instances": NaN', "application/json", 400, "BAD_REQUEST", "not JSON"),
        ('{"instances": [Infinity], "a": NaN}', "application/json", 400, "BAD_REQUEST", "not JSON"),
        ("[]", "application/json", 400, "INVALID_PARAMETER_VALUE", "not an object"),
        ({}, "application/json", 400, "INVALID_PARAMETER_VALUE", "exactly one of dataframe_split"),
        (SPLIT | RECORDS, "application/json", 400, "INVALID_PARAMETER_VALUE", "dataframe_split and dataframe_records"),
        (RECORDS | {"columns": []}, "application/json", 400, "INVALID_PARAMETER_VALUE", "unknown: columns"),
        (RECORDS | {"params": {"beam": 3}}, "application/json", 400, "INVALID_PARAMETER_VALUE", "'beam'"),
        (RECORDS | {"params": {"version": "1"}}, "application/json", 400, "INVALID_PARAMETER_VALUE", "version"),
        (RECORDS | {"params": {"version": 7}}, "application/json", 404, "RESOURCE_DOES_NOT_EXIST", "version 7"),
        (RECORDS | {"params": {"ids": ["a"]}}, "application/json", 400, "INVALID_PARAMETER_VALUE", "ids"),
        ({"dataframe_split": []}, "application/json", 400, "INVALID_PARAMETER_VALUE", "split"),
        ({"dataframe_split": {"columns": ["tail", "tail"], "data": []}}, "application/json", 400, "INVALID_PARAMETER_VALUE", "two columns"),
        ({"dataframe_split": {"columns": 7, "data": []}}, "application/json", 400, "INVALID_PARAMETER_VALUE", "no names"),
        ({"dataframe_split": {"data": [["N1"]]}}, "application/json", 400, "INVALID_PARAMETER_VALUE", "2 values"),
        ({"dataframe_records": [1]}, "application/json", 400, "INVALID_PARAMETER_VALUE", "objects"),
        ({"instances": {}}, "application/json", 400, "INVALID_PARAMETER_VALUE", "list"),
        ({"inputs": 7}, "application/json", 400, "INVALID_PARAMETER_VALUE", "table"),
        ({"inputs": {"tail": ["N1"], "distance": 1}}, "application/json", 400, "INVALID_PARAMETER_VALUE", "a list for each field"),
        ({"inputs": {"tail": ["N1"], "distance": [1, 2]}}, "application/json", 400, "INVALID_PARAMETER_VALUE", "one length"),
        ({"instances": [["N1", 1]] * 1_001}, "application/json", 400, "INVALID_PARAMETER_VALUE", "1,001 rows"),
        (RECORDS, "text/plain", 415, "BAD_REQUEST", "text/plain"),
        (RECORDS, "application/json; charset=latin-1", 415, "BAD_REQUEST", "charset"),
        (RECORDS, "application/json; format=pandas-split", 415, "BAD_REQUEST", "format"),
        ("tail,distance\nN1", "text/csv", 400, "INVALID_PARAMETER_VALUE", "2 values"),
        ("tail,distance\nN1,far", "text/csv", 400, "INVALID_PARAMETER_VALUE", "distance must be a number"),
        ("tail,distance\nN1,1_000", "text/csv", 400, "INVALID_PARAMETER_VALUE", "distance must be a number"),
        ("tail,distance\nN1,inf", "text/csv", 400, "INVALID_PARAMETER_VALUE", "finite"),
        ('tail,distance\n"N1', "text/csv", 400, "BAD_REQUEST", "not CSV"),
        (b"tail\n\xff", "text/csv", 400, "BAD_REQUEST", "not UTF-8"),
        ("", "text/csv", 400, "INVALID_PARAMETER_VALUE", "no rows"),
        ("{}\n{", "application/jsonlines", 400, "BAD_REQUEST", "not JSON"),
        (b"PAR1PAR1", "application/vnd.apache.parquet", 400, "BAD_REQUEST", "Parquet"),
        (parquet(tail=["N1"], distance=[1.0])[:-9], "application/vnd.apache.parquet", 400, "BAD_REQUEST", "Parquet"),
        (parquet(tail=["N1"] * 1_001), "application/vnd.apache.parquet", 400, "INVALID_PARAMETER_VALUE", "1,001 rows"),
        (parquet(tail=["N1"], distance=[float("nan")]), "application/parquet", 400, "INVALID_PARAMETER_VALUE", "null"),
        (parquet(tail=[datetime(2026, 1, 1, tzinfo=UTC)], distance=[[1.0]]), "application/parquet", 400, "INVALID_PARAMETER_VALUE", "a list"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_says_why(calling, body, kind, status, word, told) -> None:
    async def scenario(call, office):
        answer = await call("POST", "/invocations", body, kind=kind)
        assert (answer.status, answer.json["error_code"]) == (status, word)
        assert told in answer.json["message"]
        assert office.scorer.calls == []

    calling(scenario)


def test_with_several_deployments_one_must_be_named(calling) -> None:
    async def scenario(call, office):
        route = office.plan().routes["late"]
        await office.desk.apply(Plan(revision=2, routes={"late": route, "slow": replace(route, deployment="slow")}))
        answer = await call("POST", "/invocations", RECORDS)
        assert (answer.status, answer.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert "there are late, slow" in answer.json["message"]
        for header in ("X_Noria_Deployment", "X_Amzn_SageMaker_Target_Model"):
            assert (await call("POST", "/invocations", RECORDS, **{header.lower(): "slow.tar.gz"})).status == 200
        assert (await call("POST", "/models/late/invoke", RECORDS)).status == 200
        assert (await call("POST", "/invocations", RECORDS, x_noria_deployment="fast")).json["error_code"] == "RESOURCE_DOES_NOT_EXIST"
        assert [one.deployment for one in office.journal.predictions()] == ["slow"] * 4 + ["late"] * 2

    calling(scenario)


def test_the_setting_names_the_deployment(calling) -> None:
    async def scenario(call, office):
        assert (await call("POST", "/invocations", RECORDS)).status == 404
        assert (await call("GET", "/ping")).status == 503

    calling(scenario, deployment="other")


def test_a_platform_hears_that_all_is_well(calling) -> None:
    async def scenario(call, office):
        for path in ("/ping", "/health"):
            answer = await call("GET", path)
            assert (answer.status, answer.body) == (200, b"\n")
        assert (await call("GET", "/version")).body.decode() == __version__

    calling(scenario, token="secret")


def test_models_are_listed_as_sagemaker_wants_them(calling) -> None:
    async def scenario(call, office):
        assert (await call("GET", "/models")).json == {"models": [{"modelName": "late", "modelUrl": "/predict/late"}]}
        assert (await call("GET", "/models/late")).json["modelName"] == "late"
        assert (await call("GET", "/models/latte")).status == 404
        assert (await call("POST", "/models", {"model_name": "late", "url": "/opt/ml"})).status == 409
        assert (await call("POST", "/models", {"model_name": "new"})).status == 404
        assert (await call("POST", "/models", {})).status == 400
        assert (await call("DELETE", "/models/late")).status == 405
        assert (await call("DELETE", "/models/latte")).status == 404

    calling(scenario)


def test_a_platform_needs_no_token_on_its_own_paths_and_nobody_else_gets_in(calling) -> None:
    vertex = read_hosting({"AIP_HTTP_PORT": "9000", "AIP_HEALTH_ROUTE": "/well", "AIP_PREDICT_ROUTE": "/v1/endpoints/7:predict"})
    assert vertex == Hosting(platform="Vertex AI", port=9000, predict=("/v1/endpoints/7:predict",), health=("/well",))

    async def scenario(call, office):
        answer = await call("POST", "/v1/endpoints/7:predict", {"instances": RECORDS["dataframe_records"]})
        assert answer.json == {"predictions": TWO}
        assert (await call("GET", "/well")).status == 200
        assert (await call("POST", "/predict/late", {"inputs": RECORDS["dataframe_records"][0]})).status == 401
        assert (await call("GET", "/plan")).status == 401

    calling(scenario, token="secret", hosting=vertex)


def test_without_a_platform_the_token_is_wanted(calling) -> None:
    async def scenario(call, office):
        answer = await call("POST", "/invocations", RECORDS)
        assert (answer.status, answer.json["error_code"]) == (401, "CUSTOMER_UNAUTHORIZED")
        assert (await call("POST", "/invocations", RECORDS, authorization="Bearer secret")).status == 200

    calling(scenario, token="secret")


def test_what_a_platform_asks_for_must_make_sense() -> None:
    assert read_hosting({}) == Hosting()
    assert read_hosting({"SAGEMAKER_BIND_TO_PORT": "8081"}) == Hosting(platform="SageMaker", port=8081)
    assert read_hosting({"AIP_PREDICT_ROUTE": "/p"}).port == 8080
    for environ in ({"AIP_HTTP_PORT": "high"}, {"SAGEMAKER_BIND_TO_PORT": "0"}, {"AIP_HEALTH_ROUTE": "well"}):
        with pytest.raises(SettingsInvalid):
            read_hosting(environ)
