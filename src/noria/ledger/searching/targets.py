"""What may be searched by what: one definition for each thing that MLflow's clients search.

Facts: MLflow's documentation of `search_runs`, `search_experiments`, `search_registered_models`,
`search_model_versions`, `search_logged_models` and `search_traces`, and what its client tests (3.17) expect.
"""

from __future__ import annotations

from noria.ledger.searching.grammar import EQUAL, LISTED, NULLS, NUMERIC, TEXTUAL, Kind, Takes, Target

_TEXT = Takes(TEXTUAL)
_NULLABLE = Takes((*TEXTUAL, *NULLS))
_LIST = Takes(LISTED, lists=True)
_NUMBER = Takes(NUMERIC, "number")
_INTEGER = Takes(NUMERIC, "integer")
_PARTS = {"attribute": "attribute", "attributes": "attribute", "attr": "attribute"}
_TAGS = {"tag": "tag", "tags": "tag"}
_PARAMS = {"param": "parameter", "params": "parameter", "parameter": "parameter", "parameters": "parameter"}
_METRICS = {"metric": "metric", "metrics": "metric"}

_RUN_TEXTS = ("run_id", "run_name", "status", "artifact_uri", "user_id")
_RUN_TIMES = ("start_time", "end_time")
_RUN_NAMES = ("run name", "Run name", "Run Name")
_CREATED = ("created", "Created")

RUNS = Target(
    entities={**_METRICS, **_PARAMS, **_TAGS, **_PARTS, "run": "attribute", "dataset": "dataset", "datasets": "dataset"},
    shown=("metric", "parameter", "tag", "attribute", "dataset"),
    kinds={
        "metric": Kind(any=_NUMBER),
        "parameter": Kind(any=_NULLABLE),
        "tag": Kind(any=_NULLABLE),
        "attribute": Kind(
            keys={key: _LIST if key == "run_id" else _TEXT for key in (*_RUN_TEXTS, *_RUN_NAMES)}
            | dict.fromkeys((*_RUN_TIMES, *_CREATED), _NUMBER),
        ),
        "dataset": Kind(
            keys=dict.fromkeys(("name", "digest", "context"), _LIST),
            wrong_key="Invalid dataset key '{key}' specified. Valid keys are '{keys}'",
        ),
    },
    orders=frozenset((*_RUN_TEXTS, *_RUN_TIMES)),
    order_kinds=frozenset(("metric", "parameter", "tag")),
    same={("attribute", key): ("attribute", "run_name") for key in _RUN_NAMES}
    | {("attribute", key): ("attribute", "start_time") for key in _CREATED},
    nulls="tags and params",
)

EXPERIMENTS = Target(
    entities={"attribute": "attribute", **_TAGS},
    shown=("attribute", "tag", "tags"),
    kinds={
        "attribute": Kind(
            keys={
                "name": _TEXT,
                "experiment_id": Takes((*EQUAL, "IN", "NOT IN"), lists=True),
                "creation_time": _INTEGER,
                "last_update_time": _INTEGER,
            }
        ),
        "tag": Kind(any=_NULLABLE),
    },
    orders=frozenset(("name", "experiment_id", "creation_time", "last_update_time")),
    nulls="tags",
)

REGISTERED_MODELS = Target(
    entities={"attribute": "attribute", **_TAGS},
    shown=("attribute", "tag", "tags"),
    kinds={"attribute": Kind(keys={"name": _LIST}), "tag": Kind(any=_TEXT)},
    orders=frozenset(("name", "creation_timestamp", "last_updated_timestamp")),
    same={("attribute", "timestamp"): ("attribute", "last_updated_timestamp")},
    text_expected="Expected a quoted string value or a list of quoted string values for attributes. Got value ",
)

MODEL_VERSIONS = Target(
    entities={"attribute": "attribute", **_TAGS},
    shown=("attribute", "tag", "tags"),
    kinds={
        "attribute": Kind(keys={"name": _LIST, "run_id": _LIST, "source_path": _TEXT, "version_number": _NUMBER}),
        "tag": Kind(any=_TEXT),
    },
    orders=frozenset(("name", "version_number", "creation_timestamp", "last_updated_timestamp")),
    text_expected="Expected a quoted string value or a list of quoted string values for attributes. Got value ",
)

_MODEL_TEXTS = ("name", "model_id", "model_type", "status", "source_run_id")
_MODEL_TIMES = ("creation_timestamp", "creation_time", "last_updated_timestamp", "last_updated_time")

LOGGED_MODELS = Target(
    entities={"metrics": "metric", "params": "parameter", "tags": "tag", "attributes": "attribute"},
    shown=("attributes", "metrics", "params", "tags"),
    kinds={
        "metric": Kind(any=_NUMBER),
        "parameter": Kind(any=Takes(LISTED, "loose", lists=True)),
        "tag": Kind(any=Takes(LISTED, "loose", lists=True)),
        "attribute": Kind(keys=dict.fromkeys(_MODEL_TEXTS, _LIST) | dict.fromkeys(_MODEL_TIMES, _NUMBER)),
    },
    orders=frozenset((*_MODEL_TEXTS, *_MODEL_TIMES)),
    order_kinds=frozenset(("metric",)),
    same={
        ("attribute", "creation_time"): ("attribute", "creation_timestamp"),
        ("attribute", "last_updated_time"): ("attribute", "last_updated_timestamp"),
    },
    wrong="Invalid filter string: expected a list of comparisons separated by 'AND', not ",
    wrong_op="Invalid comparison operator for {name}: '{op}'. Expected one of {ops}.",
)

_PATTERNED = Takes((*TEXTUAL, "RLIKE"))
_PATTERNED_LIST = Takes((*LISTED, "RLIKE"), lists=True)
_PATTERNED_NULLS = Takes((*TEXTUAL, "RLIKE", *NULLS))
_JUDGED = Takes((*NUMERIC, "LIKE", "ILIKE", "RLIKE", *NULLS), "either")
_TRACE_TIMES = ("timestamp", "timestamp_ms", "execution_time", "execution_time_ms", "end_time", "end_time_ms")

TRACES = Target(
    entities={
        **_TAGS,
        "attribute": "attribute",
        "attributes": "attribute",
        "trace": "attribute",
        "metadata": "request_metadata",
        "request_metadata": "request_metadata",
        "span": "span",
        "feedback": "feedback",
        "expectation": "expectation",
        "issue": "issue",
    },
    shown=("attribute", "expectation", "feedback", "issue", "metadata", "request_metadata", "span", "tag", "tags", "trace"),
    kinds={
        "attribute": Kind(
            keys=dict.fromkeys(("request_id", "status", "client_request_id", "name", "run_id"), _PATTERNED_LIST)
            | dict.fromkeys(("prompt", "text"), _PATTERNED)
            | dict.fromkeys(_TRACE_TIMES, _NUMBER)
        ),
        "tag": Kind(any=_PATTERNED_NULLS),
        "request_metadata": Kind(any=_PATTERNED_NULLS),
        "span": Kind(
            keys=dict.fromkeys(("name", "type", "status"), _PATTERNED_LIST) | {"content": Takes(("LIKE", "ILIKE"))},
            prefixed={"attributes.": _PATTERNED_LIST},
            wrong_key="Invalid span attribute '{key}'. Supported attributes: name, status, type, attributes.<attribute_name>.",
        ),
        "feedback": Kind(any=_JUDGED),
        "expectation": Kind(any=_JUDGED),
        "issue": Kind(keys={"id": Takes(("=",))}, wrong_key="Invalid issue attribute '{key}'. Supported attributes: id"),
    },
    orders=frozenset(("experiment_id", "timestamp_ms", "execution_time_ms", "end_time_ms", "status", "request_id")),
    order_kinds=frozenset(("tag", "request_metadata")),
    same={
        ("attribute", "timestamp"): ("attribute", "timestamp_ms"),
        ("attribute", "execution_time"): ("attribute", "execution_time_ms"),
        ("attribute", "end_time"): ("attribute", "end_time_ms"),
        ("attribute", "name"): ("tag", "mlflow.traceName"),
        ("attribute", "prompt"): ("tag", "mlflow.linkedPrompts"),
        ("attribute", "run_id"): ("request_metadata", "mlflow.sourceRun"),
        ("attribute", "text"): ("span", "content"),
    },
)

EVALUATION_DATASETS = Target(
    entities={"attribute": "attribute", **_TAGS},
    shown=("attribute", "tag", "tags"),
    kinds={
        "attribute": Kind(
            keys={
                "name": _LIST,
                "created_by": _TEXT,
                "last_updated_by": _TEXT,
                "created_time": _NUMBER,
                "last_update_time": _NUMBER,
            }
        ),
        "tag": Kind(any=_TEXT),
    },
    orders=frozenset(("name", "created_time", "last_update_time")),
)
