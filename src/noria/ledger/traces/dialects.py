"""What a span says of itself, whatever dialect it speaks: its type, model, tokens, cost, inputs, outputs, session.

Read are MLflow's own attributes (`mlflow.*`), OpenTelemetry's semantic conventions for generative AI (`gen_ai.*`,
registry 1.37 and the names before it: `gen_ai.system`, `gen_ai.usage.prompt_tokens`, messages as events),
OpenInference (`llm.*`, `openinference.span.kind`, `input.value`) and Traceloop (`traceloop.*`). What is found is
written beside the span's own attributes under MLflow's names, so that every client of MLflow shows it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from noria.ledger.traces.spans import Span, SpanEvent

INPUTS, OUTPUTS = "mlflow.spanInputs", "mlflow.spanOutputs"
TYPE, MODEL, PROVIDER = "mlflow.spanType", "mlflow.llm.model", "mlflow.llm.provider"
USAGE, COST = "mlflow.chat.tokenUsage", "mlflow.llm.cost"
TAG_PREFIX = "mlflow.traceTag."

UNKNOWN = "UNKNOWN"

_OPERATIONS = {
    "chat": "CHAT_MODEL",
    "text_completion": "LLM",
    "generate_content": "LLM",
    "response": "LLM",
    "embeddings": "EMBEDDING",
    "execute_tool": "TOOL",
    "create_agent": "AGENT",
    "invoke_agent": "AGENT",
    "invoke_workflow": "WORKFLOW",
    "retrieval": "RETRIEVER",
}
_TRACELOOP = {"workflow": "WORKFLOW", "task": "TASK", "agent": "AGENT", "tool": "TOOL"}
_REQUEST_TYPES = {"chat": "CHAT_MODEL", "completion": "LLM", "embedding": "EMBEDDING", "rerank": "RERANKER"}

_MODELS = (
    MODEL,
    "gen_ai.response.model",
    "gen_ai.request.model",
    "llm.response.model_name",
    "llm.model_name",
    "llm.request.model_name",
    "embedding.model_name",
)
_PROVIDERS = (PROVIDER, "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
_SESSIONS = ("session.id", "gen_ai.conversation.id", "traceloop.association.properties.session_id")
_USERS = ("user.id", "enduser.id", "traceloop.association.properties.user_id")
_INPUTS = ("gen_ai.input.messages", "gen_ai.tool.call.arguments", "input.value", "traceloop.entity.input", "gen_ai.prompt")
_OUTPUTS = ("gen_ai.output.messages", "gen_ai.tool.call.result", "output.value", "traceloop.entity.output", "gen_ai.completion")

_TOKENS = {
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt", "llm.usage.prompt_tokens"),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
    ),
    "total_tokens": ("gen_ai.usage.total_tokens", "llm.token_count.total", "llm.usage.total_tokens"),
    "cache_read_input_tokens": ("gen_ai.usage.cache_read.input_tokens", "llm.token_count.prompt_details.cache_read"),
    "cache_creation_input_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
}
_COSTS = {
    "input_cost": ("llm.cost.prompt",),
    "output_cost": ("llm.cost.completion",),
    "total_cost": ("llm.cost.total", "gen_ai.usage.cost"),
}

_SAID_BEFORE = {"gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a span says of itself.

    Attributes:
        usage: Counted tokens by MLflow's names (`input_tokens`, …); empty when it says none.
        cost: US dollars by MLflow's names (`input_cost`, `output_cost`, `total_cost`).
        added: What is written beside the span's own attributes, by MLflow's names.
        tags: Tags of the trace that a root span carries.
    """

    type: str
    model: str
    provider: str
    usage: Mapping[str, int]
    cost: Mapping[str, float]
    inputs: Any
    outputs: Any
    session: str
    user: str
    added: Mapping[str, Any]
    tags: Mapping[str, str]


def meaning(span: Span) -> Meaning:
    """Read a span in whatever dialect it speaks."""
    said = span.attributes
    usage, cost = _usage(said), _cost(said)
    found = {
        TYPE: _type(said),
        MODEL: _text(_first(said, _MODELS)),
        PROVIDER: _text(_first(said, _PROVIDERS)),
        INPUTS: _told(said, INPUTS, _INPUTS, span.events, _SAID_BEFORE),
        OUTPUTS: _told(said, OUTPUTS, _OUTPUTS, span.events, {"gen_ai.choice": "assistant"}),
        USAGE: usage,
        COST: cost,
    }
    return Meaning(
        type=found[TYPE],
        model=found[MODEL],
        provider=found[PROVIDER],
        usage=usage,
        cost=cost,
        inputs=found[INPUTS],
        outputs=found[OUTPUTS],
        session=_text(_first(said, _SESSIONS)),
        user=_text(_first(said, _USERS)),
        added={name: value for name, value in found.items() if name not in said and value not in ("", None, UNKNOWN) and value != {}},
        tags={name.removeprefix(TAG_PREFIX): _text(said[name]) for name in said if name.startswith(TAG_PREFIX)},
    )


def added_up(nodes: Iterable[tuple[str, str, Mapping[str, float]]]) -> dict[str, float]:
    """Numbers of a trace from those of its spans: of the topmost spans that say some, whose parts they include.

    Args:
        nodes: Id, parent and numbers of each span.

    >>> added_up([("a", "", {"input_tokens": 3}), ("b", "a", {"input_tokens": 2}), ("c", "", {"input_tokens": 4})])
    {'input_tokens': 7}
    """
    spans = {id: (parent, numbers) for id, parent, numbers in nodes}
    total: dict[str, float] = {}
    for parent, numbers in spans.values():
        if numbers and not _under_one_that_counts(parent, spans):
            for name, value in numbers.items():
                total[name] = total.get(name, 0) + value
    return total


def _under_one_that_counts(parent: str, spans: Mapping[str, tuple[str, Mapping[str, float]]]) -> bool:
    seen = set()
    while parent in spans and parent not in seen:
        seen.add(parent)
        parent, numbers = spans[parent]
        if numbers:
            return True
    return False


def _type(said: Mapping[str, Any]) -> str:
    own = _text(said.get(TYPE))
    if own and own != UNKNOWN:
        return own
    operation = _text(said.get("gen_ai.operation.name"))
    if operation:
        return _OPERATIONS.get(operation, UNKNOWN)
    kind = _text(said.get("openinference.span.kind")).upper()
    if kind:
        return kind
    entity = _text(said.get("traceloop.span.kind")).lower()
    return _TRACELOOP.get(entity) or _REQUEST_TYPES.get(_text(said.get("llm.request.type")).lower(), UNKNOWN)


def _usage(said: Mapping[str, Any]) -> dict[str, int]:
    own = said.get(USAGE)
    if own is not None:
        return {name: int(number) for name, number in _numbers(own).items()}
    found = {name: int(number) for name, keys in _TOKENS.items() if (number := _number(_first(said, keys))) is not None}
    if "total_tokens" not in found and "input_tokens" in found and "output_tokens" in found:
        found["total_tokens"] = found["input_tokens"] + found["output_tokens"]
    return found


def _cost(said: Mapping[str, Any]) -> dict[str, float]:
    own = said.get(COST)
    if own is not None:
        return _numbers(own)
    return {name: number for name, keys in _COSTS.items() if (number := _number(_first(said, keys))) is not None}


def _told(said: Mapping[str, Any], own: str, keys: Sequence[str], events: Sequence[SpanEvent], roles: Mapping[str, str]) -> Any:
    if own in said:
        return said[own]
    found = _first(said, keys)
    if found is not None:
        return _opened(found)
    messages = [{"role": roles[event.name], **_message(event)} for event in events if event.name in roles]
    return messages or None


def _message(event: SpanEvent) -> dict[str, Any]:
    content = event.attributes.get("content", event.attributes.get("message"))
    return {"content": _opened(content)}


def _first(said: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((said[key] for key in keys if said.get(key) not in (None, "")), None)


def _text(value: Any) -> str:
    """A text attribute; MLflow's tracers for other languages send it as JSON, in quotes."""
    if not isinstance(value, str):
        return "" if value is None else orjson.dumps(value).decode()
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        opened = _opened(value)
        return opened if isinstance(opened, str) else value
    return value


def _opened(value: Any) -> Any:
    """A value that may be JSON in a text."""
    if not isinstance(value, str) or not value.strip().startswith(("{", "[", '"')):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _numbers(value: Any) -> dict[str, float]:
    opened = _opened(value)
    if not isinstance(opened, Mapping):
        return {}
    return {str(name): number for name, inner in opened.items() if (number := _number(inner)) is not None}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    if not math.isfinite(number) or abs(number) > 1e15:
        return None
    return int(number) if number.is_integer() else number
