"""Runs are found as a plain loop over all of them would find them, whichever way the search goes."""

import math
import re
from random import Random

import pytest

from noria.adapters.sqlite import Sqlite
from noria.core.errors import RequestInvalid
from noria.core.tracking import Point, Stage, TrackedDataset, TrackedInput
from noria.ledger.searching.grammar import parse_filter, parse_order
from noria.ledger.searching.targets import RUNS
from noria.ledger.tracking import experiments, finding, inputs, points, runs
from noria.ledger.tracking.finding import Wanted

N = 160
NUMBERS = [math.nan, 0.0, 0.5, 1.0, 1.0, 2.5, -3.0, math.inf, -math.inf]


def _fill(sql):
    """Two experiments of a project and one of another, with runs that differ in everything; what each run is."""
    random, known = Random(5), []

    def work(tx):
        places = [experiments.create(tx, "default", name, now_ms=1) for name in ("a", "b")]
        elsewhere = experiments.create(tx, "other", "a", now_ms=1)
        for n in range(N):
            place = random.choice([places[0], places[0], places[1], elsewhere])
            project = "other" if place == elsewhere else "default"
            start = 1_000 + random.randrange(40)
            id = runs.create(
                tx,
                project,
                place,
                start_ms=start,
                name=f"run {n % 7}",
                person=random.choice(["ada", "bob"]),
                id=f"r{random.getrandbits(60):x}",
            )
            row = runs.open_row(tx, project, id)
            metrics = {key: random.choice(NUMBERS) for key in ("m", "n") if random.random() < 0.7}
            params = {key: random.choice(["a", "A", "b", "a*", "A_b", "x" * 400]) for key in ("p", "q") if random.random() < 0.7}
            tags = {key: random.choice(["x", "y%", "[z]", "\\"]) for key in ("t",) if random.random() < 0.5}
            points.log(tx, row, [Point(key, value, 0, 0) for key, value in metrics.items()])
            runs.log_params(tx, row, id, params.items())
            runs.set_tags(tx, row, list(tags.items()))
            end = random.choice([None, start + random.randrange(5)])
            runs.update(tx, project, id, end_ms=end)
            taken = [(f"d{random.randrange(3)}", random.choice(["train", "eval", ""])) for _ in range(random.randrange(3))]
            taken = [pair for k, pair in enumerate(taken) if pair[0] not in [name for name, _ in taken[:k]]]
            inputs.take_in(
                tx,
                row,
                [
                    TrackedInput(
                        dataset=TrackedDataset(name=name, digest=f"#{name}", source_type="local", source="{}"),
                        tags={inputs.CONTEXT: context} if context else {},
                    )
                    for name, context in taken
                ],
            )
            deleted = random.random() < 0.2
            if deleted:
                runs.delete(tx, project, id, now_ms=2)
            known.append(
                {
                    "id": id,
                    "place": place,
                    "deleted": deleted,
                    "metrics": metrics,
                    "params": params,
                    "tags": tags | {"mlflow.runName": f"run {n % 7}"},
                    "taken": taken,
                }
            )
        return [*places, elsewhere]

    places = sql.write(work)
    for each, (person, start, end) in zip(
        known, (sql.read("SELECT person, start_ms, end_ms FROM noria_runs WHERE id = ?", (k["id"],))[0] for k in known), strict=True
    ):
        each |= {"person": person, "start": start, "end": end, "name": each["tags"]["mlflow.runName"]}
    return places, known


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def house(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("found")
    if request.param == "sqlite":
        sql = Sqlite(folder / "noria.db")
    else:
        from noria.adapters.postgres import Postgres

        sql = Postgres(request.getfixturevalue("postgres").database(folder))
    yield (sql, *_fill(sql))
    sql.close()


def _kept(value):
    return value if math.isnan(value) else min(max(value, -points.LARGEST), points.LARGEST)


def _left(run, clause):
    """Every value that a clause is about."""
    if clause.kind == "metric":
        return [_kept(run["metrics"][clause.key])] if clause.key in run["metrics"] else []
    if clause.kind in ("parameter", "tag"):
        values = run["params" if clause.kind == "parameter" else "tags"]
        return [values[clause.key]] if clause.key in values else []
    if clause.kind == "dataset":
        return [
            {"name": name, "digest": f"#{name}", "context": context}[clause.key]
            for name, context in run["taken"]
            if clause.key != "context" or context
        ]
    value = {"run_id": "id", "run_name": "name", "user_id": "person", "start_time": "start", "end_time": "end"}[clause.key]
    return [run[value]] if run[value] is not None else []


def _like(pattern, text, flags=0):
    return re.fullmatch("".join({"%": ".*", "_": "."}.get(sign, re.escape(sign)) for sign in pattern), text, flags | re.DOTALL) is not None


OPS = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "LIKE": lambda a, b: _like(b, a),
    "ILIKE": lambda a, b: _like(b, a, re.IGNORECASE),
    "IN": lambda a, b: a in b,
    "NOT IN": lambda a, b: a not in b,
}


def _satisfies(run, clause):
    values = _left(run, clause)
    if clause.op in ("IS NULL", "IS NOT NULL"):
        return bool(values) == (clause.op == "IS NOT NULL")
    asked = _kept(clause.value) if clause.kind == "metric" else clause.value
    return any(OPS[clause.op](value, asked) for value in values)


def _expected(known, places, stages, text, order):
    clauses, orders = parse_filter(text, RUNS), parse_order(order, RUNS)
    left = [
        run
        for run in known
        if run["place"] in places
        and (Stage.DELETED if run["deleted"] else Stage.ACTIVE) in stages
        and all(_satisfies(run, c) for c in clauses)
    ]
    left.sort(key=lambda run: (-run["start"], run["id"]))
    for each in reversed(orders):
        ranked = []
        for run in left:
            values = [run["name"]] if each.key == "run_name" else _left(run, each)
            ranked.append((2 if not values else int(values[0] != values[0]), values[0] if values and values[0] == values[0] else None, run))
        held = [item for item in ranked if item[0] == 0]
        held.sort(key=lambda item: item[1], reverse=not each.ascending)
        left = [run for _, _, run in held] + [run for rank in (1, 2) for r, _, run in ranked if r == rank]
    return [run["id"] for run in left]


FILTERS = [
    "",
    "metrics.m > 0.4",
    "metrics.m != 1",
    "metrics.m = 1e999",
    "metrics.m > 0 AND metrics.m != 1",
    "params.p IS NOT NULL AND params.p != 'a'",
    "metrics.never = 1",
    "params.p = 'a'",
    "params.p LIKE 'A_%'",
    "params.p ILIKE 'a*'",
    "params.q != 'a' AND metrics.n <= 1",
    "params.q = '" + "x" * 400 + "'",
    "params.p IS NULL AND tags.t IS NOT NULL",
    "tags.t = '\\' AND user_id = 'ada'",
    "tags.t LIKE '%[%'",
    "run_name = 'run 3'",
    "start_time >= 1020 AND end_time < 1030.5",
    "datasets.name IN ('d0', 'd1') AND datasets.context = 'train'",
    "dataset.digest != '#d0'",
    "params.p = 'a' AND params.p = 'b'",
    "metrics.m >= 0 AND metrics.n >= 0 AND params.p != 'b' AND user_id ILIKE 'A%'",
]
ORDERS = [
    [],
    ["metrics.m"],
    ["metrics.m DESC"],
    ["params.p DESC", "metrics.n"],
    ["tags.t", "user_id DESC", "start_time"],
    ["end_time DESC"],
    ["start_time", "metrics.m DESC"],
    ["run_name", "run_id DESC"],
    ["metrics.never", "end_time"],
]


@pytest.mark.parametrize(
    "look", [(2_000, 4_000, 5_000), (3, 6, 10), (3, 10**9, 0), (3, 0, 0)], ids=["usual", "small", "walking", "cutting sets"]
)
def test_pages_put_together_are_what_a_loop_over_all_runs_finds(house, monkeypatch, look):
    sql, places, known = house
    for name, value in zip(("LOOK", "SHORT", "RARE"), look, strict=True):
        monkeypatch.setattr(finding, name, value)
    random = Random(1)
    cases = [(text, order) for text in FILTERS for order in ORDERS]
    for text, order in random.sample(cases, 60):
        asked = random.choice([places[:1], places[:2], places])
        stages = random.choice([frozenset({Stage.ACTIVE}), frozenset({Stage.ACTIVE}), frozenset({Stage.DELETED}), frozenset(Stage)])
        size = random.choice([7, 25, 1_000])
        found, token, pages = [], "", 0
        while pages == 0 or token:
            page, token = finding.find(
                sql, "default", Wanted(experiments=asked, stages=stages, filter=text, order=order, limit=size, after=token)
            )
            assert len(page) == size or not token
            found += [run.id for run in page]
            pages += 1
        assert found == _expected(known, places[:2] if len(asked) > 1 else asked, stages, text, order), (text, order, asked, stages, size)


def test_runs_that_come_and_go_between_two_pages_shift_nothing(house):
    sql, places, _ = house
    wanted = {"experiments": places[:1], "order": ["metrics.m"], "limit": 20}
    first, token = finding.find(sql, "default", Wanted(**wanted))
    rest, _ = finding.find(sql, "default", Wanted(**wanted | {"limit": 1_000}, after=token))

    def come_and_go(tx):
        for run in first[:5]:
            runs.delete(tx, "default", run.id, now_ms=9)
        row = runs.open_row(tx, "default", runs.create(tx, "default", places[0], start_ms=1, id="newcomer"))
        points.log(tx, row, [Point("m", -math.inf, 0, 0)])

    sql.write(come_and_go)
    try:
        assert finding.find(sql, "default", Wanted(**wanted | {"limit": 1_000}, after=token))[0] == rest
    finally:
        sql.write(
            lambda tx: [runs.restore(tx, "default", run.id) for run in first[:5]] and runs.delete(tx, "default", "newcomer", now_ms=9)
        )


def test_a_token_of_another_search_is_refused(house):
    sql, places, _ = house
    _, token = finding.find(sql, "default", Wanted(experiments=places[:1], limit=5))
    for other in ({"order": ["metrics.m"]}, {"filter": "params.p = 'a'"}, {"experiments": places}):
        with pytest.raises(RequestInvalid, match="Invalid page token"):
            finding.find(sql, "default", Wanted(**{"experiments": places[:1], "limit": 5} | other, after=token))


def test_experiments_of_other_projects_are_not_searched(house):
    sql, places, _ = house
    assert finding.find(sql, "default", Wanted(experiments=[places[2], 10**9]))[0] == []
    assert finding.find(sql, "default", Wanted(experiments=[]))[0] == []
