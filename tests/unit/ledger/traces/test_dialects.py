"""The dialects that spans speak."""

from noria.ledger.traces.dialects import added_up, meaning
from noria.ledger.traces.spans import Span, SpanEvent


def said(attributes, events=()):
    return meaning(Span("tr-1", "0" * 16, "", "step", 0, 1, attributes=attributes, events=events))


def test_mlflows_own_words_are_taken_as_they_are():
    found = said(
        {
            "mlflow.spanType": "RETRIEVER",
            "mlflow.spanInputs": {"q": 1},
            "mlflow.spanOutputs": [1, 2],
            "mlflow.chat.tokenUsage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
            "mlflow.llm.model": "tiny",
        }
    )
    assert (found.type, found.model, found.inputs, found.outputs) == ("RETRIEVER", "tiny", {"q": 1}, [1, 2])
    assert found.usage == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    assert found.added == {}


def test_opentelemetrys_words_for_generative_ai_become_mlflows():
    found = said(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "asked",
            "gen_ai.response.model": "answered",
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.cache_read.input_tokens": 2,
            "gen_ai.conversation.id": "c1",
            "gen_ai.input.messages": '[{"role": "user"}]',
            "gen_ai.output.messages": '[{"role": "assistant"}]',
        }
    )
    assert (found.type, found.model, found.provider, found.session) == ("CHAT_MODEL", "answered", "openai", "c1")
    assert found.usage == {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "cache_read_input_tokens": 2}
    assert found.added["mlflow.spanInputs"] == [{"role": "user"}]
    assert found.added["mlflow.spanType"] == "CHAT_MODEL"
    assert found.added["mlflow.chat.tokenUsage"] == found.usage


def test_the_names_before_them_are_read_too():
    old = {"gen_ai.operation.name": "text_completion", "gen_ai.system": "az", "gen_ai.usage.prompt_tokens": 1}
    events = (
        SpanEvent("gen_ai.user.message", 1, {"content": "Hello"}),
        SpanEvent("gen_ai.choice", 2, {"message": '{"content": "Hi"}'}),
    )
    found = said(old, events)
    assert (found.type, found.provider, found.usage) == ("LLM", "az", {"input_tokens": 1})
    assert found.inputs == [{"role": "user", "content": "Hello"}]
    assert found.outputs == [{"role": "assistant", "content": {"content": "Hi"}}]


def test_openinference_and_traceloop_are_read():
    found = said(
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "llm.token_count.prompt": 4,
            "llm.token_count.completion": 6,
            "llm.token_count.total": 10,
            "input.value": '{"a": 1}',
            "output.value": "plain",
            "session.id": "s",
            "user.id": "u",
            "llm.cost.total": 0.25,
        }
    )
    assert (found.type, found.model, found.inputs, found.outputs) == ("LLM", "m", {"a": 1}, "plain")
    assert (found.session, found.user, found.cost) == ("s", "u", {"total_cost": 0.25})
    assert said({"traceloop.span.kind": "workflow"}).type == "WORKFLOW"
    assert said({"llm.request.type": "chat"}).type == "CHAT_MODEL"


def test_a_span_that_says_nothing_adds_nothing():
    found = said({"http.route": "/"})
    assert (found.type, found.added, found.usage) == ("UNKNOWN", {}, {})


def test_nonsense_where_a_number_should_be_is_passed_over():
    found = said({"gen_ai.usage.input_tokens": "many", "mlflow.llm.cost": {"total_cost": "nan", "input_cost": True}})
    assert (found.usage, found.cost) == ({}, {})


def test_texts_that_come_in_quotes_lose_them():
    assert said({"mlflow.spanType": '"TOOL"'}).type == "TOOL"
    assert said({"mlflow.traceTag.team": '"blue"'}).tags == {"team": "blue"}


def test_a_span_that_sums_its_parts_is_not_counted_twice():
    assert added_up([("a", "", {"n": 5}), ("b", "a", {}), ("c", "b", {"n": 2}), ("d", "", {"n": 1})]) == {"n": 6}
    assert added_up([("a", "b", {"n": 1}), ("b", "a", {"n": 1})]) == {}
