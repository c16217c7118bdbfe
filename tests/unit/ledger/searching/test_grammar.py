"""Filters and orders, as MLflow's clients write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noria.core.errors import RequestInvalid
from noria.ledger.searching import targets
from noria.ledger.searching.grammar import Clause, Order, parse_filter, parse_order, written

RUNS = targets.RUNS
ALL = {
    "runs": targets.RUNS,
    "experiments": targets.EXPERIMENTS,
    "registered models": targets.REGISTERED_MODELS,
    "model versions": targets.MODEL_VERSIONS,
    "logged models": targets.LOGGED_MODELS,
    "traces": targets.TRACES,
    "evaluation datasets": targets.EVALUATION_DATASETS,
}


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("", []),
        ("  ", []),
        ("metric.acc >= 0.94", [Clause("metric", "acc", ">=", 0.94)]),
        ("metrics.acc>=-1e-3", [Clause("metric", "acc", ">=", -0.001)]),
        ("params.m!='tf'", [Clause("parameter", "m", "!=", "tf")]),
        ('parameter."m"="tf"', [Clause("parameter", "m", "=", "tf")]),
        ("`metrics`.`Mean Square Error` < .5", [Clause("metric", "Mean Square Error", "<", 0.5)]),
        ('metrics."X//Y#$$@&Z" = 3', [Clause("metric", "X//Y#$$@&Z", "=", 3.0)]),
        ("metrics.val/loss-2 = 3", [Clause("metric", "val/loss-2", "=", 3.0)]),
        ("tags.mlflow.source.name = 'a b'", [Clause("tag", "mlflow.source.name", "=", "a b")]),
        ("tags.`a``b` = 'it''s'", [Clause("tag", "a`b", "=", "it's")]),
        ('tags.a = "L\'Hosp"', [Clause("tag", "a", "=", "L'Hosp")]),
        (r"tags.path = 'C:\'", [Clause("tag", "path", "=", "C:\\")]),
        ("run.status = 'RUNNING'", [Clause("attribute", "status", "=", "RUNNING")]),
        ("status like 'RUN%'", [Clause("attribute", "status", "LIKE", "RUN%")]),
        ("\"run name\" ILIKE 'x'", [Clause("attribute", "run_name", "ILIKE", "x")]),
        ("attr.Created <= 12", [Clause("attribute", "start_time", "<=", 12)]),
        ("end_time > 99999999999999999999", [Clause("attribute", "end_time", ">", 1e20)]),
        ("run_id not in ('a', \"b\",)", [Clause("attribute", "run_id", "NOT IN", ("a", "b"))]),
        ("datasets.context IN ('train')", [Clause("dataset", "context", "IN", ("train",))]),
        ("tags.v IS NULL and params.w is not null", [Clause("tag", "v", "IS NULL"), Clause("parameter", "w", "IS NOT NULL")]),
        (
            "metrics.rmse < 1 aNd params.model = 'LR'\n AND tags.and = 'and'",
            [Clause("metric", "rmse", "<", 1.0), Clause("parameter", "model", "=", "LR"), Clause("tag", "and", "=", "and")],
        ),
    ],
)
def test_a_filter_of_runs_is_read(text, clauses):
    assert list(parse_filter(text, RUNS)) == clauses


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metric.acc >= 0.94; metrics.rmse < 1", "Search filter contained multiple expression"),
        ("metric.acc >= 0.94;", "Invalid clause(s) in filter string"),
        ("m.acc >= 0.94", "Invalid entity type"),
        ("attri.x != 1", "Invalid entity type"),
        ("acc >= 0.94", "Invalid attribute key"),
        ("foo is null", "Invalid attribute key"),
        ("attribute.experiment_id != 1", "Invalid attribute key"),
        ("attribute.lifecycle_stage = 'ACTIVE'", "Invalid attribute key"),
        ("dataset.profile = 'num_rows: 10'", "Invalid dataset key"),
        ("metrics.A > 0.1 OR params.B = 'LR'", "Invalid clause(s) in filter string"),
        ("metrics.A > 0.1 AND (params.B = 'LR')", "Invalid clause(s) in filter string"),
        ("metrics.A > 0.1 params.B = 'LR'", "Invalid clause(s) in filter string"),
        ("metrics.A > 0.1 AND", "Invalid clause(s) in filter string"),
        ("NOT metrics.A > 0.1", "Invalid clause(s) in filter string"),
        ("`metrics.A > 0.1", "Invalid clause(s) in filter string"),
        ("dummy`.A > 0.1", "Invalid clause(s) in filter string"),
        ("attribute.status = true", "Invalid clause(s) in filter string"),
        ("attribute.status IS 'RUNNING'", "Invalid clause(s) in filter string"),
        ("params.'acc = LR", "Invalid clause(s) in filter string"),
        ("params.acc = 'LR", "Invalid clause(s) in filter string"),
        ("params.acc = \"LR'", "Invalid clause(s) in filter string"),
        ("tags.acc = = 'LR'", "Invalid clause(s) in filter string"),
        ("params.acc LR !=", "Invalid clause(s) in filter string"),
        ("metric.acc !=", "Invalid clause(s) in filter string"),
        ("tags.a = 'x\0'", "Invalid clause(s) in filter string"),
        ("tags.a = '\ud800'", "Invalid clause(s) in filter string"),
        ("metrics.acc IS NULL", "IS NULL / IS NOT NULL is only supported for tags and params"),
        ("metric.model = '5'", "Expected numeric value type for metric"),
        ("metrics.acc != metrics.acc", "Expected numeric value type for metric"),
        ("start_time = '5'", "Expected numeric value type for numeric attribute: start_time"),
        ("params.acc = 5", "Expected a quoted string value for param"),
        ("tags.acc = 5", "Expected a quoted string value for tag"),
        ("attribute.status = 1", "Expected a quoted string value for attributes"),
        ("dataset.name = 1", "Expected a quoted string value for dataset attributes"),
        ("1.0 > metrics.acc", "Expected 'Identifier' found"),
        ("1==2", "Expected 'Identifier' found"),
        ("params.acc = LR", "value is either not quoted or unidentified quote types"),
        ("params.acc = `LR`", "value is either not quoted or unidentified quote types"),
        ("params.abc >= 'x'", "Invalid comparator '>='"),
        ("metrics.abc ~= 1.0", "Invalid comparator '~='"),
        ("attributes.start_time ILIKE 1234", "Invalid comparator 'ILIKE'"),
        ("datasets.name ~ 'x'", "Invalid comparator '~'"),
        ("status IN ('a')", "Only ['run_id'] attributes support comparison with a list"),
        ("run_id = ('a')", "Invalid comparator '='"),
        ("run_id IN ()", "got empty list"),
        ("run_id IN ('a', 1)", "got different type in list: ('a', 1)"),
        ("run_id IN ('a', (b))", "got ill-formed list"),
        ("run_id IN 'a'", "Invalid clause(s) in filter string"),
        (" AND ".join(["tags.a = 'b'"] * 101), "more than 100 clauses"),
        ("run_id IN (" + "'a'," * 5_001 + ")", "5000 are taken"),
        ("tags.a = '" + "a" * 200_000 + "'", "200000 are read"),
        ("tags.a LIKE '" + "a" * 5_001 + "'", "5000 are taken"),
    ],
)
def test_another_filter_is_refused_with_what_is_wrong(text, message):
    with pytest.raises(RequestInvalid) as refused:
        parse_filter(text, RUNS)
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("target", "text", "clause"),
    [
        ("experiments", "attribute.name ILIKE 'a%'", Clause("attribute", "name", "ILIKE", "a%")),
        ("experiments", "experiment_id IN ('1', '2')", Clause("attribute", "experiment_id", "IN", ("1", "2"))),
        ("experiments", "creation_time >= 5", Clause("attribute", "creation_time", ">=", 5)),
        ("experiments", "tags.team IS NULL", Clause("tag", "team", "IS NULL")),
        ("registered models", "name IN ('a')", Clause("attribute", "name", "IN", ("a",))),
        ("registered models", "tag.`mlflow.prompt.is_prompt` = 'true'", Clause("tag", "mlflow.prompt.is_prompt", "=", "true")),
        ("model versions", "version_number > 3", Clause("attribute", "version_number", ">", 3)),
        ("model versions", "run_id IN ('a')", Clause("attribute", "run_id", "IN", ("a",))),
        ("logged models", "params.lr = 0.01", Clause("parameter", "lr", "=", "0.01")),
        ("logged models", "creation_time > 0", Clause("attribute", "creation_timestamp", ">", 0)),
        ("logged models", "name NOT IN ('a',)", Clause("attribute", "name", "NOT IN", ("a",))),
        ("traces", "timestamp_ms > 5", Clause("attribute", "timestamp_ms", ">", 5)),
        ("traces", "trace.execution_time < 5", Clause("attribute", "execution_time_ms", "<", 5)),
        ("traces", "name RLIKE '^a.*b$'", Clause("tag", "mlflow.traceName", "RLIKE", "^a.*b$")),
        ("traces", "tag.name = 'x'", Clause("tag", "name", "=", "x")),
        ("traces", "run_id = 'x'", Clause("request_metadata", "mlflow.sourceRun", "=", "x")),
        ("traces", "span.attributes.`llm.model` LIKE 'g%'", Clause("span", "attributes.llm.model", "LIKE", "g%")),
        ("traces", "feedback.score >= 0.5", Clause("feedback", "score", ">=", 0.5)),
        ("traces", "feedback.score = 'yes'", Clause("feedback", "score", "=", "yes")),
        ("traces", "metadata.user IS NOT NULL", Clause("request_metadata", "user", "IS NOT NULL")),
        ("traces", "text ILIKE '%x%'", Clause("span", "content", "ILIKE", "%x%")),
    ],
)
def test_each_target_has_keys_of_its_own(target, text, clause):
    assert parse_filter(text, ALL[target]) == (clause,)


@pytest.mark.parametrize(
    ("target", "text", "message"),
    [
        ("experiments", "creation_time > 1.5", "Invalid value for numeric attribute 'creation_time': '1.5'"),
        ("experiments", "experiment_id LIKE '1'", "Invalid comparator"),
        ("experiments", "name IN ('a')", "Only ['experiment_id'] attributes support"),
        ("experiments", "name IS NULL", "only supported for tags"),
        ("registered models", "metrics.a > 1", "Invalid entity type 'metrics'"),
        ("registered models", "name = 1", "Expected a quoted string value or a list of quoted string values for attributes"),
        ("model versions", "run_id NOT LIKE 'a'", "Invalid clause(s) in filter string"),
        ("logged models", "Foo", "Invalid filter string"),
        ("logged models", "name = 'foo' OR name = 'bar'", "Invalid filter string"),
        ("logged models", "foo.bar = 'a'", "Invalid entity type"),
        ("logged models", "name > 'foo'", "Invalid comparison operator for attributes.name"),
        ("logged models", "metrics.foo LIKE 0", "Invalid comparison operator for metrics.foo"),
        ("traces", "span.duration = 'a'", "Invalid span attribute 'duration'"),
        ("traces", "span.content = 'a'", "Invalid comparator '='"),
        ("traces", "feedback.a > 'x'", "Expected a numeric value for feedback when using comparator '>'"),
        ("traces", "feedback.a = 1", "Expected a quoted string value for feedback"),
        ("traces", "name RLIKE '('", "Invalid regular expression"),
        ("traces", "issue.name = 'a'", "Invalid issue attribute"),
    ],
)
def test_each_target_refuses_what_it_has_not(target, text, message):
    with pytest.raises(RequestInvalid) as refused:
        parse_filter(text, ALL[target])
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("metrics.acc", Order("metric", "acc", True)),
        ("metrics.`Mean Square Error` DESC", Order("metric", "Mean Square Error", False)),
        ("params.my_param aSc", Order("parameter", "my_param", True)),
        ("Created   desc", Order("attribute", "start_time", False)),
        ("tags.desc", Order("tag", "desc", True)),
        ("attribute.run_id", Order("attribute", "run_id", True)),
    ],
)
def test_an_order_is_read(text, order):
    assert parse_order([text], RUNS) == (order,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m.acc", "Invalid entity type"),
        ("acc", "Invalid attribute key"),
        ("`metrics.A", "Invalid order_by clause"),
        ("`metrics.A`", "Invalid entity type"),
        ("attribute.experiment_id", "Invalid attribute key"),
        ("metrics.A != 1", "Invalid order_by clause"),
        ("", "Invalid order_by clause"),
        ("attribute.run_id ACS", "Invalid ordering key"),
        ("dataset.name", "Invalid order_by entity"),
    ],
)
def test_another_order_is_refused(text, message):
    with pytest.raises(RequestInvalid) as refused:
        parse_order([text], RUNS)
    assert message in refused.value.message


def test_an_order_has_so_many_keys_and_no_more():
    with pytest.raises(RequestInvalid, match="20 are taken"):
        parse_order([f"metrics.m{n}" for n in range(21)], RUNS)


def test_a_key_stands_in_an_order_once_under_whatever_name():
    with pytest.raises(RequestInvalid, match="contains duplicate fields"):
        parse_order(["start_time", "metrics.a", "Created DESC"], RUNS)


_PIECES = [
    "metrics.",
    "a",
    "tags.`b`",
    " ",
    "=",
    "!=",
    " AND ",
    "'x'",
    '"',
    "'",
    "`",
    "1.5",
    "-1",
    "e9",
    "IN",
    "(",
    ")",
    ",",
    ";",
    " LIKE ",
    "IS",
    "NOT",
    "NULL",
]


@given(
    text=st.one_of(st.text(max_size=40), st.lists(st.sampled_from(_PIECES), max_size=14).map("".join)), name=st.sampled_from(sorted(ALL))
)
def test_no_text_makes_anything_but_clauses_or_a_refusal(text, name):
    try:
        clauses = parse_filter(text, ALL[name])
    except RequestInvalid as refused:
        assert refused.message
    else:
        assert all(isinstance(each, Clause) for each in clauses)
    try:
        parse_order([text], ALL[name])
    except RequestInvalid as refused:
        assert refused.message


_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)
_CLAUSES = st.one_of(
    st.builds(Clause, st.just("metric"), _TEXTS, st.sampled_from(["=", "!=", ">", ">=", "<", "<="]), st.floats(allow_nan=False)),
    st.builds(Clause, st.sampled_from(["parameter", "tag"]), _TEXTS, st.sampled_from(["=", "!=", "LIKE", "ILIKE"]), _TEXTS),
    st.builds(Clause, st.just("tag"), _TEXTS, st.sampled_from(["IS NULL", "IS NOT NULL"]), st.none()),
    st.builds(Clause, st.just("attribute"), st.just("start_time"), st.just("<"), st.integers(-(10**18) + 1, 10**18 - 1)),
    st.builds(
        Clause, st.just("dataset"), st.just("name"), st.sampled_from(["IN", "NOT IN"]), st.lists(_TEXTS, min_size=1, max_size=4).map(tuple)
    ),
)


@given(st.lists(_CLAUSES, max_size=5))
def test_what_is_written_is_read_again(clauses):
    assert list(parse_filter(written(clauses), RUNS)) == clauses
