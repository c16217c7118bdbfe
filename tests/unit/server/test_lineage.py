import gzip
import json

import pytest
from sample import LOOP, REQUEST, SampleServices, write_sample

from noria.core.lineage import UpstreamJob
from noria.ledger.documents import Documents
from noria.server.application import create_app
from noria.server.door import Door

EVENT = {
    "eventType": "COMPLETE",
    "eventTime": "2013-12-01T00:00:00Z",
    "producer": "https://example.org/airflow",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "run": {"runId": "0190f3a0-0000-7000-8000-000000000001"},
    "job": {"namespace": "airflow", "name": "load_flights", "facets": {"jobType": {"integration": "AIRFLOW", "jobType": "TASK"}}},
    "inputs": [{"namespace": "postgres://ops:5432", "name": "public.departures"}],
    "outputs": [{"namespace": "file", "name": "/data/flights"}],
}


def ids(told):
    return {f"{node['kind']}:{node['name']}" for node in told["nodes"]}


def test_a_version_is_told_from_its_source_to_its_deployment(ask):
    told = ask.get("/api/v1/lineage", params={"of": f"{LOOP}@2"}).json()
    assert told["of"] == [f"version:{LOOP}@2"]
    assert {"dataset:flights", "table:file//data/flights/*.parquet", f"view:{LOOP}/conditions", f"deployment:{LOOP}"} <= ids(told)
    up = ids(ask.get("/api/v1/lineage", params={"of": f"{LOOP}@2", "way": "up"}).json())
    assert f"deployment:{LOOP}" not in up and "dataset:flights" in up and not any(one.startswith("feature:") for one in up)
    assert ask.get("/api/v1/lineage", params={"of": "nothing"}).status_code == 404


def test_a_feature_leads_to_the_models_that_use_it_and_an_answer_to_its_version(ask):
    down = ids(ask.get("/api/v1/lineage", params={"of": "wind_speed", "way": "down"}).json())
    assert {f"version:{LOOP}@2", f"version:{LOOP}@3"} <= down and "dataset:weather" not in down
    up = ids(ask.get("/api/v1/lineage", params={"of": "wind_speed", "way": "up"}).json())
    assert {f"view:{LOOP}/conditions", "dataset:weather"} <= up
    answer = ids(ask.get("/api/v1/lineage", params={"of": REQUEST, "way": "up"}).json())
    assert {f"version:{LOOP}@2", "dataset:flights"} <= answer and f"version:{LOOP}@3" not in answer


@pytest.fixture
def own(tmp_path):
    from calling import Caller

    services = SampleServices(tmp_path, write_sample().records)
    return services, Caller(create_app(services))


@pytest.mark.parametrize("form", ["one", "list", "batch", "gzip"])
def test_events_of_other_systems_stand_above_the_datasets(own, form):
    services, ask = own
    headers = {"authorization": f"Bearer {services.token}", "content-type": "application/json"}
    body = json.dumps(EVENT if form in ("one", "gzip") else [EVENT]).encode()
    if form == "gzip":
        body, headers = gzip.compress(body), {**headers, "content-encoding": "gzip"}
    path = "/api/v1/lineage/batch" if form == "batch" else "/api/v1/lineage"
    asking = type(ask)(create_app(services, door=Door(services.access, token=services.token)))
    assert asking.post(path, content=body).status_code == 401
    told = ask.post(path, content=body, headers=headers)
    assert told.status_code == 201 and told.json()["summary"]["kept"] == 1
    up = ids(ask.get("/api/v1/lineage", params={"of": f"{LOOP}@2", "way": "up"}).json())
    assert {"job:airflow/load_flights", "table:postgres://ops:5432/public.departures", "table:file//data/flights/*.parquet"} <= up
    down = ids(ask.get("/api/v1/lineage", params={"of": "public.departures", "way": "down"}).json())
    assert f"deployment:{LOOP}" in down


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        b"[1]",
        b"{}",
        json.dumps({**EVENT, "eventTime": "soon"}).encode(),
        json.dumps({**EVENT, "job": {"name": "x"}}).encode(),
        json.dumps({**EVENT, "inputs": "all"}).encode(),
        json.dumps({**EVENT, "outputs": [{"name": ""}]}).encode(),
    ],
)
def test_what_is_no_event_is_refused_and_nothing_is_kept(own, body):
    services, ask = own
    refused = ask.post("/api/v1/lineage", content=body, headers={"authorization": f"Bearer {services.token}"})
    assert refused.status_code == 422
    assert Documents(services.records).find(UpstreamJob) == []


def test_a_bomb_is_not_unpacked(own):
    services, ask = own
    headers = {"authorization": f"Bearer {services.token}", "content-encoding": "gzip"}
    refused = ask.post("/api/v1/lineage", content=gzip.compress(b" " * 50_000_000), headers=headers)
    assert refused.status_code == 422 and "larger" in refused.text


def test_the_page_draws_it_and_links_every_box(ask):
    page = ask.get("/lineage", params={"of": f"{LOOP}@2"}, headers={"accept": "text/html"}).text
    assert 'href="/lineage?of=dataset%3Aflights' in page or "dataset:flights" in page
    assert page.count("<path") > 4 and 'class="version chosen"' in page
    assert ask.get("/lineage", params={"of": "nothing"}, headers={"accept": "text/html"}).status_code == 404
