"""MLflow's own client, and OpenTelemetry's, trace into a real server; searches, assessments, datasets and scorers by the client."""

import asyncio
import gzip
import json
import time

import httpx
import pytest

pytestmark = pytest.mark.filterwarnings("default")
"""The client gives up tracing where a library that it uses warns of something, if warnings are errors."""


@pytest.fixture
def traced(client):
    """MLflow's module, tracing to the server at once; an experiment of its own."""
    import mlflow

    mlflow.tracing.reset()
    mlflow.set_experiment("traced")
    yield mlflow
    mlflow.flush_trace_async_logging()
    mlflow.tracing.reset()


def sent(mlflow):
    """The id of the last trace, once all of it has come: the client sends spans and trace by threads of its own."""
    id = mlflow.get_last_active_trace_id()
    for _ in range(600):
        mlflow.flush_trace_async_logging()
        if mlflow.get_trace(id, silent=True) is not None:
            return id
        time.sleep(0.05)
    raise AssertionError(f"{id} never came")


def found(mlflow, filter=None, **more):
    return [one.info.trace_id for one in mlflow.search_traces(filter_string=filter, return_type="list", **more)]


def test_nested_calls_become_a_trace_with_its_spans(traced):
    mlflow = traced

    @mlflow.trace(span_type="RETRIEVER")
    def look(question):
        return [f"{question} ünï"]

    @mlflow.trace(name="answer", attributes={"weight": 0.5, "tries": 3, "sure": True})
    def answer(question):
        with mlflow.start_span("think", span_type="LLM") as span:
            span.set_inputs({"q": question})
            span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7})
            span.set_outputs({"a": look(question)})
        mlflow.update_current_trace(tags={"team": "blue"}, metadata={"mlflow.trace.session": "s1"}, client_request_id="r-1")
        return 42

    assert answer("why") == 42
    trace = mlflow.get_trace(sent(mlflow))
    assert [(span.name, span.span_type) for span in trace.data.spans] == [("answer", "UNKNOWN"), ("think", "LLM"), ("look", "RETRIEVER")]
    root, think, look_span = trace.data.spans
    assert (root.parent_id, think.parent_id, look_span.parent_id) == (None, root.span_id, think.span_id)
    assert (root.inputs, root.outputs, think.inputs, look_span.outputs) == ({"question": "why"}, 42, {"q": "why"}, ["why ünï"])
    assert (root.get_attribute("weight"), root.get_attribute("tries"), root.get_attribute("sure")) == (0.5, 3, True)
    assert (trace.info.state, trace.info.client_request_id, trace.info.tags["team"]) == ("OK", "r-1", "blue")
    assert trace.info.tags["mlflow.traceName"] == "answer"
    assert trace.info.tags["mlflow.trace.spansLocation"] == "TRACKING_STORE"
    assert trace.info.token_usage == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    assert trace.info.trace_metadata["mlflow.trace.session"] == "s1"
    assert json.loads(trace.info.request_preview) == {"question": "why"} and trace.info.response_preview == "42"


def test_async_functions_generators_and_exceptions_are_traced(traced):
    mlflow = traced

    @mlflow.trace
    async def later(n):
        await asyncio.sleep(0)
        return n + 1

    assert asyncio.run(later(1)) == 2
    trace = mlflow.get_trace(sent(mlflow))
    assert trace.data.spans[0].outputs == 2

    @mlflow.trace
    def several():
        yield from ("a", "b")

    assert list(several()) == ["a", "b"]
    trace = mlflow.get_trace(sent(mlflow))
    assert trace.data.spans[0].outputs == ["a", "b"]
    assert len(trace.data.spans[0].events) == 2

    @mlflow.trace
    def fails():
        raise ValueError("no bread left")

    with pytest.raises(ValueError):
        fails()
    trace = mlflow.get_trace(sent(mlflow))
    (span,) = trace.data.spans
    assert (trace.info.state, span.status.status_code, span.events[0].name) == ("ERROR", "ERROR", "exception")
    assert "no bread left" in span.status.description


def test_traces_are_searched_by_what_they_are_and_what_their_spans_say(traced, client):
    mlflow = traced
    ids = []
    with mlflow.start_run() as run:
        for n in range(3):
            with mlflow.start_span(f"step-{n}", span_type="LLM" if n else "TOOL") as span:
                span.set_inputs({"n": n, "text": f"word{n}"})
                span.set_attribute("model", f"m{n}")
            ids.append(sent(mlflow))
            client.set_trace_tag(ids[-1], "number", str(n))
    assert found(mlflow) == ids[::-1]
    assert found(mlflow, order_by=["timestamp_ms ASC"]) == ids
    assert found(mlflow, "tags.number = '1'") == [ids[1]]
    assert found(mlflow, "tags.number != '1'") == [ids[2], ids[0]]
    assert found(mlflow, "tag.missing IS NULL AND tag.number IS NOT NULL") == ids[::-1]
    assert found(mlflow, "name = 'step-2'") == [ids[2]] == found(mlflow, "trace.name ILIKE 'STEP-2'")
    assert found(mlflow, "attributes.name IN ('step-0', 'step-1')") == [ids[1], ids[0]]
    assert found(mlflow, "span.type = 'LLM'") == [ids[2], ids[1]]
    assert found(mlflow, "span.type = 'LLM' AND span.name = 'step-0'") == []
    assert found(mlflow, "span.attributes.model = 'm1'") == [ids[1]]
    assert found(mlflow, "span.content LIKE '%word2%'") == [ids[2]] == found(mlflow, "trace.text LIKE '%word2%'")
    assert found(mlflow, "span.name RLIKE '^step-[01]$'") == [ids[1], ids[0]]
    assert found(mlflow, f"run_id = '{run.info.run_id}'") == ids[::-1] == found(mlflow, run_id=run.info.run_id)
    assert found(mlflow, "status = 'OK' AND execution_time >= 0 AND timestamp > 1000") == ids[::-1]
    assert found(mlflow, "status = 'ERROR'") == []
    assert found(mlflow, f"request_id = '{ids[0]}'") == [ids[0]]
    pages, token = [], None
    while True:
        page = client.search_traces(locations=[mlflow.get_experiment_by_name("traced").experiment_id], max_results=2, page_token=token)
        pages.append([one.info.trace_id for one in page])
        token = page.token
        if not token:
            break
    assert pages == [[ids[2], ids[1]], [ids[0]]]
    with pytest.raises(mlflow.MlflowException, match="Invalid"):
        found(mlflow, "nonsense.key = 'x'")


def test_tags_links_and_deletion(traced, client):
    mlflow = traced
    ids = []
    for _ in range(3):
        with mlflow.start_span("s"):
            pass
        ids.append(sent(mlflow))
    experiment = mlflow.get_experiment_by_name("traced").experiment_id
    client.set_trace_tag(ids[0], "a", "1")
    client.set_trace_tag(ids[0], "a", "2")
    assert mlflow.get_trace(ids[0]).info.tags["a"] == "2"
    client.delete_trace_tag(ids[0], "a")
    assert "a" not in mlflow.get_trace(ids[0]).info.tags
    with pytest.raises(mlflow.MlflowException, match="No trace tag"):
        client.delete_trace_tag(ids[0], "a")
    run = client.create_run(experiment)
    client.link_traces_to_run(ids[:2], run.info.run_id)
    assert sorted(found(mlflow, run_id=run.info.run_id)) == sorted(ids[:2])
    assert client.delete_traces(experiment, trace_ids=[ids[0], "tr-none"]) == 1
    assert client.delete_traces(experiment, max_timestamp_millis=2**45, max_traces=1) == 1
    assert found(mlflow) == [ids[2]]
    assert client.delete_traces(experiment, max_timestamp_millis=2**45) == 1
    assert found(mlflow) == []


def test_what_people_and_judges_say(traced):
    mlflow = traced
    from mlflow.entities import AssessmentSource

    with mlflow.start_span("s"):
        pass
    id = sent(mlflow)
    human = AssessmentSource(source_type="HUMAN", source_id="ada")
    first = mlflow.log_feedback(trace_id=id, name="good", value=True, source=human, rationale="it is", metadata={"k": "v"})
    score = mlflow.log_feedback(trace_id=id, name="score", value=0.75)
    mlflow.log_feedback(trace_id=id, name="broken", error=RuntimeError("judge is ill"))
    wanted = mlflow.log_expectation(trace_id=id, name="facts", value=["a", {"b": 1}], source=human)
    got = mlflow.get_assessment(id, first.assessment_id)
    assert (got.value, got.rationale, got.source.source_id, got.metadata) == (True, "it is", "ada", {"k": "v"})
    assert mlflow.get_assessment(id, wanted.assessment_id).value == ["a", {"b": 1}]
    assert found(mlflow, "feedback.score > 0.5") == [id] and found(mlflow, "feedback.score > 0.8") == []
    assert found(mlflow, "feedback.good = 'true'") == [id] == found(mlflow, "feedback.other IS NULL")
    from mlflow.entities import Feedback

    over = mlflow.override_feedback(trace_id=id, assessment_id=first.assessment_id, value=False, source=human)
    assert not mlflow.get_assessment(id, first.assessment_id).valid and over.overrides == first.assessment_id
    assert found(mlflow, "feedback.good = 'true'") == [] and found(mlflow, "feedback.good = 'false'") == [id]
    mlflow.delete_assessment(trace_id=id, assessment_id=over.assessment_id)
    assert mlflow.get_assessment(id, first.assessment_id).valid
    mlflow.update_assessment(
        trace_id=id, assessment_id=score.assessment_id, assessment=Feedback(name="score", value=0.9, metadata={"x": "y"})
    )
    again = mlflow.get_assessment(id, score.assessment_id)
    assert (again.value, again.metadata["x"]) == (0.9, "y")
    assert sorted(one.name for one in mlflow.get_trace(id).info.assessments) == ["broken", "facts", "good", "score"]
    with pytest.raises(mlflow.MlflowException, match="not found"):
        mlflow.log_feedback(trace_id="tr-nobody", name="x", value=1)


def otel_spans(url, headers, compression=None):
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", headers=headers, compression=Compression(compression or "none"))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("tests")
    with tracer.start_as_current_span("request") as root:
        with tracer.start_as_current_span("chat tiny") as span:
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.system": "local",
                    "gen_ai.response.model": "tiny",
                    "gen_ai.usage.input_tokens": 5,
                    "gen_ai.usage.output_tokens": 2,
                }
            )
        id = f"tr-{root.get_span_context().trace_id:032x}"
    provider.shutdown()
    return id


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_any_opentelemetry_sdk_can_send_and_needs_no_header(traced, url, compression):
    mlflow = traced
    id = otel_spans(url, {}, compression)
    trace = mlflow.get_trace(id)
    assert (trace.info.experiment_id, trace.info.state, trace.info.tags["service.name"]) == ("0", "OK", "shop")
    assert trace.info.tags["mlflow.traceName"] == "request"
    assert trace.info.token_usage == {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    assert [(span.name, span.span_type) for span in trace.data.spans] == [("request", None), ("chat tiny", "CHAT_MODEL")]
    assert found(mlflow, "span.type = 'CHAT_MODEL'", locations=["0"]) == [id]
    named = otel_spans(url, {"x-mlflow-experiment-id": mlflow.get_experiment_by_name("traced").experiment_id}, compression)
    assert found(mlflow) == [named]


def test_otlp_says_what_it_did_not_take(url):
    span = {"traceId": "01" * 16, "spanId": "02" * 8, "name": "a", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span, {**span, "spanId": ""}]}]}]}
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    said = httpx.post(f"{url}/v1/traces", content=gzip.compress(json.dumps(body).encode()), headers=headers)
    assert said.status_code == 200 and said.json()["partialSuccess"]["rejectedSpans"] == "1"
    for content, more in (
        (b"\xff\xff", {"content-type": "application/x-protobuf"}),
        (b"{", headers),
        (b"{}", {"content-type": "text/plain"}),
    ):
        said = httpx.post(f"{url}/v1/traces", content=content, headers=more)
        assert (said.status_code, said.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] = "03" * 16
    said = httpx.post(f"{url}/v1/traces", json=body, headers={"x-mlflow-experiment-id": "77"})
    assert (said.status_code, said.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_spans_may_come_before_their_trace_or_after_it(url):
    def spans():
        span = {"traceId": "0a" * 16, "spanId": "02" * 8, "name": "root", "startTimeUnixNano": "5000000", "endTimeUnixNano": "9000000"}
        assert httpx.post(f"{url}/v1/traces", json={"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).status_code == 200

    def told():
        info = {
            "trace_id": "tr-" + "0a" * 16,
            "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}},
            "request_time": "2026-01-02T03:04:05.678Z",
            "execution_duration": "0.308s",
            "state": "OK",
            "trace_metadata": {"mlflow.trace.sizeStats": '{"num_spans": 1}'},
            "tags": {"mlflow.traceName": "told"},
        }
        said = httpx.post(f"{url}/api/3.0/mlflow/traces", json={"trace": {"trace_info": info}})
        assert said.json()["trace"]["trace_info"]["tags"]["mlflow.trace.spansLocation"] == "TRACKING_STORE"

    def read():
        return httpx.get(f"{url}/api/3.0/mlflow/traces/get", params={"trace_id": "tr-" + "0a" * 16}).json()["trace"]

    spans()
    assert read()["trace_info"]["request_time"] == "1970-01-01T00:00:00.005Z" and read()["trace_info"]["execution_duration"] == "0.004s"
    for step in (told, spans):
        step()
        info = read()["trace_info"]
        assert (info["request_time"], info["execution_duration"]) == ("2026-01-02T03:04:05.678Z", "0.308s")
        assert info["tags"]["mlflow.traceName"] == "told" and len(read()["spans"]) == 1


def test_a_trace_is_not_given_before_all_its_spans_have_come(url):
    info = {
        "trace_id": "tr-1",
        "trace_location": {"mlflow_experiment": {"experiment_id": "0"}},
        "request_time": "2026-01-02T03:04:05Z",
        "trace_metadata": {"mlflow.trace.sizeStats": '{"num_spans": 2}'},
    }
    httpx.post(f"{url}/api/3.0/mlflow/traces", json={"trace": {"trace_info": info}})
    said = httpx.get(f"{url}/api/3.0/mlflow/traces/get", params={"trace_id": "tr-1"})
    assert said.status_code == 404 and "not fully exported" in said.json()["message"]
    partly = httpx.get(f"{url}/api/3.0/mlflow/traces/get", params={"trace_id": "tr-1", "allow_partial": "true"})
    assert partly.json()["trace"]["spans"] == []
    assert httpx.get(f"{url}/api/3.0/mlflow/traces/batchGet", params={"trace_ids": ["tr-1", "tr-2"]}).json() == {"traces": []}


def test_clients_before_3_begin_and_end_traces_whose_spans_lie_in_a_file(url):
    base = f"{url}/api/2.0/mlflow/traces"
    asked = {
        "experiment_id": "0",
        "timestamp_ms": 1000,
        "request_metadata": [{"key": "m", "value": "1"}],
        "tags": [{"key": "t", "value": "2"}],
    }
    begun = httpx.post(base, json=asked).json()["trace_info"]
    assert begun["status"] == "IN_PROGRESS" and "mlflow.trace.spansLocation" not in {tag["key"] for tag in begun["tags"]}
    assert f"mlflow-artifacts:/0/traces/{begun['request_id']}/artifacts" in {tag["value"] for tag in begun["tags"]}
    ended = httpx.patch(f"{base}/{begun['request_id']}", json={"timestamp_ms": 1500, "status": "OK"}).json()["trace_info"]
    assert (ended["status"], ended["execution_time_ms"], ended["request_metadata"]) == ("OK", 500, [{"key": "m", "value": "1"}])
    assert httpx.get(f"{base}/{begun['request_id']}/info").json()["trace_info"] == ended
    assert httpx.get(base, params={"experiment_ids": ["0"], "filter": "status = 'OK'"}).json()["traces"] == [ended]


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("POST", "3.0/mlflow/traces", {}),
        ("POST", "3.0/mlflow/traces", {"trace": {"trace_info": {"trace_id": "tr-1"}}}),
        ("POST", "3.0/mlflow/traces", {"trace": {"trace_info": 7}}),
        ("POST", "3.0/mlflow/traces/search", {}),
        ("POST", "3.0/mlflow/traces/search", {"locations": [], "max_results": 501}),
        ("POST", "3.0/mlflow/traces/search", {"locations": [], "page_token": "nonsense"}),
        ("POST", "3.0/mlflow/traces/search", {"locations": [{"mlflow_experiment": {"experiment_id": "x"}}]}),
        ("POST", "3.0/mlflow/traces/delete-traces", {"experiment_id": "0"}),
        ("POST", "3.0/mlflow/traces/metrics", {"experiment_ids": ["0"], "view_type": "ODD", "metric_name": "x", "aggregations": [{"aggregation_type": "COUNT"}]}),
        ("POST", "3.0/mlflow/traces/tr-1/assessments", {}),
        ("POST", "3.0/mlflow/traces/tr-1/assessments", {"assessment": {"assessment_name": "x"}}),
        ("POST", "3.0/mlflow/traces/tr-1/assessments", {"assessment": {"assessment_name": "x", "feedback": {"value": 1}, "source": {"source_type": "ODD"}}}),
        ("PATCH", "3.0/mlflow/traces/tr-1/assessments/a", {"assessment": {"assessment_id": "a"}, "update_mask": "source"}),
        ("POST", "3.0/mlflow/datasets/create", {"name": ""}),
        ("POST", "3.0/mlflow/datasets/create", {"name": "x", "tags": "{"}),
        ("POST", "3.0/mlflow/scorers/register", {"experiment_id": "0", "name": "x", "serialized_scorer": "{"}),
        ("PUT", "3.0/mlflow/scorers/online-config", {"experiment_id": "0", "name": "x", "sample_rate": 2}),
    ],
)  # fmt: skip
def test_a_users_mistake_is_never_the_servers(url, method, path, body):
    said = httpx.request(method, f"{url}/api/{path}", json=body)
    assert (said.status_code, said.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), said.text


def test_numbers_of_many_traces(traced):
    mlflow = traced
    for n in range(4):
        with mlflow.start_span("even" if n % 2 == 0 else "odd", span_type="LLM"):
            pass
        mlflow.flush_trace_async_logging()
    id = mlflow.get_experiment_by_name("traced").experiment_id
    store = mlflow.tracking._tracking_service.utils._get_store()
    from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType

    def asked(view, name, *ways, **more):
        return [(one.dimensions, one.values) for one in store.query_trace_metrics([id], MetricViewType(view), name, list(ways), **more)]

    count = MetricAggregation(AggregationType.COUNT)
    assert asked("TRACES", "trace_count", count) == [({}, {"COUNT": 4})]
    assert asked("TRACES", "trace_count", count, dimensions=["trace_name"]) == [
        ({"trace_name": "even"}, {"COUNT": 2}),
        ({"trace_name": "odd"}, {"COUNT": 2}),
    ]
    assert asked("SPANS", "span_count", count, filters=["span.type = 'LLM'", "trace.status = 'OK'"]) == [({}, {"COUNT": 4})]
    ((_, values),) = asked("TRACES", "latency", MetricAggregation(AggregationType.AVG), MetricAggregation(AggregationType.PERCENTILE, 50.0))
    assert set(values) == {"AVG", "P50.0"}
    bucketed = asked("TRACES", "trace_count", count, time_interval_seconds=10**9, start_time_ms=0, end_time_ms=2**45)
    assert [values for _, values in bucketed] == [{"COUNT": 4}]
    found = store.calculate_trace_filter_correlation([id], "name = 'even'", "name = 'odd'")
    assert (found.npmi, found.filter1_count, found.joint_count, found.total_count) == (-1.0, 2, 0, 4)
    assert store.calculate_trace_filter_correlation([id], "name = 'even'", "name LIKE 'e%'").npmi == pytest.approx(1.0)


def test_evaluation_datasets(traced, client):
    mlflow = traced
    pytest.importorskip("mlflow.genai.datasets", exc_type=ImportError)
    experiment = mlflow.get_experiment_by_name("traced").experiment_id
    made = client.create_dataset("questions", experiment_id=[experiment], tags={"a": "1", "mlflow.user": "ada"})
    made.merge_records(
        [
            {"inputs": {"q": "1+1"}, "expectations": {"a": 2}, "tags": {"t": "x"}},
            {"inputs": {"q": "2+2"}, "outputs": "4"},
        ]
    )
    made.merge_records([{"inputs": {"q": "1+1"}, "expectations": {"b": 3}}])
    got = client.get_dataset(made.dataset_id)
    assert (got.name, got.tags["a"], got.created_by, got.experiment_ids) == ("questions", "1", "ada", [experiment])
    assert [(one.inputs, one.expectations, one.outputs) for one in got.records] == [
        ({"q": "1+1"}, {"a": 2, "b": 3}, None),
        ({"q": "2+2"}, None, "4"),
    ]
    assert json.loads(got.profile) == {"num_records": 2}
    assert json.loads(got.schema)["inputs"] == {"q": "string"}
    client.set_dataset_tags(made.dataset_id, {"b": "2"})
    client.delete_dataset_tag(made.dataset_id, "a")
    assert set(client.get_dataset(made.dataset_id).tags) == {"b", "mlflow.user"}
    assert [one.name for one in client.search_datasets(filter_string="name LIKE 'quest%'")] == ["questions"]
    assert client.search_datasets(experiment_ids=["0"]) == []
    client.add_dataset_to_experiments(made.dataset_id, ["0"])
    assert [one.dataset_id for one in client.search_datasets(experiment_ids=["0"])] == [made.dataset_id]
    client.remove_dataset_from_experiments(made.dataset_id, ["0"])
    assert client.search_datasets(experiment_ids=["0"]) == []
    assert got.delete_records([got.records[0].dataset_record_id]) == 1
    client.delete_dataset(made.dataset_id)
    with pytest.raises(mlflow.MlflowException, match="not found"):
        client.get_dataset(made.dataset_id)


def test_scorers_are_registered_in_versions(traced):
    mlflow = traced
    store = mlflow.tracking._tracking_service.utils._get_store()
    id = mlflow.get_experiment_by_name("traced").experiment_id
    first = store.register_scorer(id, "tone", json.dumps({"name": "tone"}))
    again = store.register_scorer(id, "tone", json.dumps({"name": "tone", "v": 2}))
    assert (first.scorer_version, again.scorer_version, again.scorer_id) == (1, 2, first.scorer_id)
    assert [(one.scorer_name, one.scorer_version) for one in store.list_scorers(id)] == [("tone", 2)]
    assert [one.scorer_version for one in store.list_scorer_versions(id, "tone")] == [1, 2]
    assert store.get_scorer(id, "tone", 1)._serialized_scorer == '{"name": "tone"}'
    store.delete_scorer(id, "tone", 2)
    assert store.get_scorer(id, "tone").scorer_version == 1
    store.delete_scorer(id, "tone")
    assert store.list_scorers(id) == []
    with pytest.raises(mlflow.MlflowException, match="not found"):
        store.get_scorer(id, "tone")


def test_the_terminal_lists_traces_and_shows_one_as_a_tree(traced, url):
    from typer.testing import CliRunner

    from noria.cli.main import app

    mlflow = traced
    with mlflow.start_span("outer"), mlflow.start_span("inner", span_type="LLM") as inner:
        inner.set_inputs({"q": "why"})
    id = sent(mlflow)
    mlflow.log_feedback(trace_id=id, name="good", value=True)
    ask = lambda *words: CliRunner().invoke(app, ["traces", *words, "--url", url], catch_exceptions=False)  # noqa: E731
    listed = json.loads(ask("list", "-e", "traced", "-f", "span.type = 'LLM'", "--json").stdout)
    assert [one["trace_id"] for one in listed] == [id]
    assert id in ask("list").stdout and "no traces" in ask("list", "-f", "status = 'ERROR'").stdout
    shown = ask("show", id).stdout
    assert shown.index("outer") < shown.index("inner") and "LLM" in shown and "good: true" in shown
    assert len(json.loads(ask("show", id, "--json").stdout)["spans"]) == 2
    assert ask("show").exit_code == 1 and ask("show", "tr-none").exit_code == 1
