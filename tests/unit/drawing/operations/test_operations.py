"""Rules and dashboards are read by the tools that they are for, and ask for metrics that are there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, str(Path(__file__).parents[2] / "server"))

from sample import SampleServices, write_sample

from noria.core.traffic import Role
from noria.dataplane.metrics import text
from noria.dataplane.numbers import Answers, Numbers
from noria.drawing.operations.grafana import DASHBOARDS, dashboard, expressions
from noria.drawing.operations.rules import RULES, rules_yaml, scrape_yaml
from noria.server.metrics import families
from noria.server.reads import Reads
from noria.stages.serving.tallies import LATENCY_BOUNDS_US, Counters

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt-get install prometheus")


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> set[str]:
    services = SampleServices(tmp_path_factory.mktemp("home"), write_sample().records)
    idle = Numbers(
        counters=asdict(Counters()), answers={("late-arrival", 1, Role.CHAMPION): Answers(0, 0, 0, [0] * (len(LATENCY_BOUNDS_US) + 1))}
    )
    found: list[Metric] = [
        *families(services, Reads(services.records, services.ledger)),
        *text_string_to_metric_families(text(idle).decode()),
    ]
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    return {f"{family.name}{suffix}" for family in found for suffix in suffixes.get(family.type, ("",))}


def told(*command: str, cwd: Path) -> str:
    done = subprocess.run(["promtool", *command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_metric_that_is_asked_for_is_exported(exported):
    asked = [rule.expr for rule in RULES] + [expr for name in DASHBOARDS for expr in expressions(name)]
    named = {word for expr in asked for word in re.findall(r"\bnoria_\w+", expr)}
    assert named - exported == set()


@promtool
def test_promtool_takes_the_rules_and_the_configuration(tmp_path):
    (tmp_path / "rules.yml").write_text(rules_yaml())
    (tmp_path / "token").write_text("x")
    (tmp_path / "prometheus.yml").write_text(scrape_yaml("127.0.0.1:7700", "127.0.0.1:7701", token_file=str(tmp_path / "token")))
    assert f"{len(RULES)} rules found" in told("check", "rules", "rules.yml", cwd=tmp_path)
    assert "SUCCESS" in told("check", "config", "prometheus.yml", cwd=tmp_path)


@promtool
def test_rules_fire_when_they_should_and_are_silent_when_all_is_well(tmp_path):
    (tmp_path / "rules.yml").write_text(rules_yaml())
    bad = {
        "noria_rows_requests_total": "0+100x60",
        "noria_rows_failed_total": "0+5x60",
        "noria_rows_dropped_total": "0+0x30 1+1x30",
        'noria_problems{instance="a"}': "1+0x60",
        'noria_pages_open{loop="late"}': "1+0x60",
        'noria_prediction_latency_seconds_bucket{deployment="late",role="champion",le="0.1"}': "0+1x60",
        'noria_prediction_latency_seconds_bucket{deployment="late",role="champion",le="1.0"}': "0+100x60",
        'noria_prediction_latency_seconds_bucket{deployment="late",role="champion",le="+Inf"}': "0+100x60",
    }
    well = {**bad, "noria_rows_failed_total": "0+0x60", "noria_rows_dropped_total": "0+0x60", 'noria_problems{instance="a"}': "0+0x60"}
    well |= {
        'noria_pages_open{loop="late"}': "0+0x60",
        'noria_prediction_latency_seconds_bucket{deployment="late",role="champion",le="0.1"}': "0+100x60",
    }
    well |= {'up{job="noria-data"}': "1+0x60", 'up{job="noria-control"}': "1+0x60"}
    expected = {
        "NoriaAnswersFail": {}, "NoriaAnswersSlow": {"deployment": "late"}, "NoriaLogLosesRows": {}, "NoriaDataPlaneProblem": {"instance": "a"},
        "NoriaIncidentPages": {"loop": "late"}, "NoriaDataPlaneDown": {},
    }  # fmt: skip
    tests = [_case(bad, expected, fires=True), _case(well, expected, fires=False)]
    (tmp_path / "tests.yml").write_text(json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}))
    told("test", "rules", "tests.yml", cwd=tmp_path)


def _case(series: dict[str, str], expected: dict[str, dict[str, str]], *, fires: bool) -> dict:
    """That each of the alerts fires with its labels after 45 minutes of the series, or that none does."""
    looks = []
    for name, labels in expected.items():
        rule = next(rule for rule in RULES if rule.name == name)
        inner = ",".join(f'{key}="{value}"' for key, value in {**labels, "severity": rule.severity}.items())
        sample = {"labels": f'ALERTS{{alertname="{name}",alertstate="firing",{inner}}}', "value": 1}
        looks.append({"expr": f'ALERTS{{alertname="{name}"}}', "eval_time": "45m", "exp_samples": [sample] if fires else []})
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": looks,
    }


@promtool
@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_expression_of_a_dashboard_is_promql(name, tmp_path):
    lines = ["groups:", "  - name: panels", "    rules:"]
    for number, expr in enumerate(expressions(name)):
        lines += [f"      - record: panel:{number}", f"        expr: {json.dumps(expr)}"]
    (tmp_path / "panels.yml").write_text("\n".join(lines))
    told("check", "rules", "panels.yml", cwd=tmp_path)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_has_what_grafana_wants_and_its_panels_do_not_overlap(name):
    made = json.loads(json.dumps(dashboard(name)))
    assert made["uid"] and made["schemaVersion"] >= 36
    assert {one["name"] for one in made["templating"]["list"]} == {"source", "loop"}
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
    taken = set()
    for panel in made["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not taken & cells
        taken |= cells
        assert panel["targets"] and all(target["datasource"]["uid"] == "${source}" for target in panel["targets"])
