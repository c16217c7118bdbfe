"""Turns are told to other systems by OpenLineage, at least once and in order; the field's own client is understood, and understands."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn

from noria.adapters.openlineage import OverHttp, ToFile
from noria.core.lineage import UpstreamJob
from noria.core.notices import Told
from noria.core.turning import Turn
from noria.ledger.documents import Documents
from noria.ledger.lineage.openlineage import run_id
from noria.ledger.lineage.walking import lineage_of
from noria.ledger.lineage.web import web_of
from noria.loop.heralding import Herald
from noria.server.application import create_app
from noria.testing.memory import MemoryRecords


class Receiver:
    """Takes events as it is told to."""

    def __init__(self) -> None:
        self.taken: list[dict] = []
        self.answers: list[Told] = []

    def send(self, event: bytes) -> Told:
        answer = self.answers.pop(0) if self.answers else Told(arrived=True)
        if answer.arrived:
            self.taken.append(json.loads(event))
        return answer


BROKEN = "def train(data, params):\n    if len(data.y) != 6961:\n        raise ValueError('no luck')\n"


def test_each_turn_starts_and_ends_once_and_what_did_not_arrive_is_told_again(noria, declaration, caplog):
    one = noria(margin=1.0, declaration=declaration.replace("def train(data, params):\n", BROKEN))
    receiver = Receiver()
    herald = Herald(one.world, receiver)
    assert herald.once() == 0
    one.be_born()
    receiver.answers = [Told(arrived=False, said="down")]
    assert herald.once() == 0 and receiver.taken == []
    receiver.answers = [Told(arrived=True), Told(arrived=False, said="down again")]
    assert herald.once() == 1
    assert Herald(one.world, receiver).once() == 1 and herald.once() == 0
    start, complete = receiver.taken
    (turn,) = one.world.documents.find(Turn)
    assert [told["eventType"] for told in receiver.taken] == ["START", "COMPLETE"]
    assert start["run"]["runId"] == complete["run"]["runId"] == run_id(turn) and start["run"]["runId"][14] == "7"
    assert start["job"] == complete["job"] and start["job"]["name"] == "orders.train" and start["outputs"] == []
    (shop,) = (told for told in complete["inputs"] if told["name"].endswith("/history.parquet"))
    assert (shop["namespace"], shop["inputFacets"]["inputStatistics"]["rowCount"]) == ("file", 9_000)
    (model,) = complete["outputs"]
    assert (model["name"], model["facets"]["version"]["datasetVersion"]) == ("orders", "1")
    assert model["facets"]["noria_model"]["metrics"]["roc_auc"] > 0.6

    one.days(2)
    one.verbs.turn("orders", by="anna", reason="more")
    one.wheel.once()
    for _ in range(20):
        one.wheel.once()
    receiver.taken.clear()
    receiver.answers = [Told(arrived=False, again=False, said="400")]
    with caplog.at_level(logging.ERROR, logger="noria.openlineage"):
        herald.once()
    assert "was refused and is passed by: 400" in caplog.text
    (failed,) = receiver.taken
    assert failed["eventType"] == "FAIL" and "no luck" in failed["run"]["facets"]["errorMessage"]["stackTrace"]


def test_every_facet_is_one_of_the_standards_or_our_own(noria, tmp_path):
    client = pytest.importorskip("openlineage.client")
    known = "".join(file.read_text() for file in (Path(client.__file__).parent / "generated").glob("*.py"))
    one, receiver = noria(), Receiver()
    Herald(one.world, receiver).once()
    one.be_born()
    Herald(one.world, receiver).once()
    told = re.findall(r'"_schemaURL": "([^"]+)"', json.dumps(receiver.taken))
    assert len(told) > 20
    for url in told:
        name = url.rpartition("/")[2].removesuffix(".json")
        assert url.startswith("urn:noria:facet:") or f"{url}#/$defs/{name}" in known, url


def test_a_file_gets_a_line_for_each_event(noria, tmp_path):
    one = noria()
    herald = Herald(one.world, ToFile(tmp_path / "told" / "lineage.jsonl"))
    herald.once()
    one.be_born()
    assert herald.once() == 2
    lines = (tmp_path / "told" / "lineage.jsonl").read_text().splitlines()
    assert [json.loads(line)["eventType"] for line in lines] == ["START", "COMPLETE"]


@pytest.fixture
def catalog(tmp_path):
    """A control plane that listens, as another Noria or any server of OpenLineage would."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "server"))
    from sample import SampleServices

    services = SampleServices(tmp_path / "catalog", MemoryRecords())
    server = uvicorn.Server(uvicorn.Config(create_app(services), host="127.0.0.1", port=0, log_level="warning"))
    running = threading.Thread(target=server.run)
    running.start()
    while not server.started:
        assert running.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    yield services, f"http://127.0.0.1:{port}"
    server.should_exit = True
    running.join()


def test_what_is_told_over_http_is_taken_by_a_server_of_the_protocol(noria, catalog):
    services, url = catalog
    one = noria()
    assert OverHttp(url, key="wrong").send(b"{}").arrived is False
    herald = Herald(one.world, OverHttp(url, key=services.token))
    herald.once()
    one.be_born()
    assert herald.once() == 2
    (job,) = Documents(services.records).find(UpstreamJob)
    assert (job.id, job.state, job.kind) == ("noria/orders.train", "COMPLETE", "NORIA TRAINING")
    assert [table.id for table in job.outputs] == ["noria/orders"] and len(job.inputs) == 2
    names = {node.name for node in lineage_of(web_of(services.records), "shop", up=False).nodes}
    assert "noria/orders" in names


def test_the_fields_own_client_is_understood(catalog):
    client_of = pytest.importorskip("openlineage.client")
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import job_type_job
    from openlineage.client.transport.http import HttpConfig, HttpTransport

    services, url = catalog
    config = HttpConfig.from_dict({"url": url, "auth": {"type": "api_key", "apiKey": services.token}, "compression": "gzip"})
    client = client_of.OpenLineageClient(transport=HttpTransport(config))
    for state, at in ((RunState.START, 1), (RunState.COMPLETE, 2)):
        client.emit(
            RunEvent(
                eventType=state,
                eventTime=datetime(2026, 1, at, tzinfo=UTC).isoformat(),
                run=Run(runId="0190f3a0-0000-7000-8000-000000000001"),
                job=Job("airflow", "load", facets={"jobType": job_type_job.JobTypeJobFacet("BATCH", "AIRFLOW", jobType="TASK")}),
                producer="https://example.org",
                inputs=[InputDataset("postgres://ops", "public.departures")],
                outputs=[OutputDataset("s3://lake", "flights")],
            )
        )
    client.close()
    (job,) = Documents(services.records).find(UpstreamJob)
    assert (job.id, job.state, job.kind, job.run[-1]) == ("airflow/load", "COMPLETE", "AIRFLOW TASK", "1")
    assert [table.id for table in (*job.inputs, *job.outputs)] == ["postgres://ops/public.departures", "s3://lake/flights"]
