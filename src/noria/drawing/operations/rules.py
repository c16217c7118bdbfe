"""Alert rules for Prometheus: what of a home should wake somebody who does not look at its own page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

SERVING, LOOPS = "noria-serving", "noria-loops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One alert.

    Attributes:
        expr: PromQL over the metrics of the data plane or the control plane.
        wait: How long it must hold.
        severity: "page" or "notice", as incidents have.
    """

    group: str
    name: str
    expr: str
    wait: str
    severity: str
    summary: str
    description: str
    labels: Mapping[str, str] = field(default_factory=dict)


RULES = (
    Rule(
        group=SERVING,
        name="NoriaAnswersFail",
        expr="sum(rate(noria_rows_failed_total[5m])) / sum(rate(noria_rows_requests_total[5m])) > 0.01",
        wait="5m",
        severity="page",
        summary="More than 1 % of requests get no answer",
        description="{{ $value | humanizePercentage }} of requests got no answer from any version in the last five minutes.",
    ),
    Rule(
        group=SERVING,
        name="NoriaAnswersSlow",
        expr=(
            'histogram_quantile(0.99, sum by (le, deployment) (rate(noria_prediction_latency_seconds_bucket{role!="shadow"}[5m]))) > 0.25'
        ),
        wait="10m",
        severity="page",
        summary="{{ $labels.deployment }} answers slowly",
        description="99 of 100 answers take up to {{ $value | humanizeDuration }}.",
    ),
    Rule(
        group=SERVING,
        name="NoriaLogLosesRows",
        expr="sum(increase(noria_rows_dropped_total[10m])) > 0",
        wait="0m",
        severity="page",
        summary="Answered requests are not in the log",
        description="{{ $value | humanize }} rows were answered, but the journal could not take them: is the disk full?",
    ),
    Rule(
        group=SERVING,
        name="NoriaChallengerFails",
        expr="sum by (deployment) (rate(noria_prediction_failures_total[10m])) > 0.05",
        wait="10m",
        severity="notice",
        summary="A version of {{ $labels.deployment }} keeps failing",
        description="The champion answers in its place. `noria status` names the version.",
    ),
    Rule(
        group=SERVING,
        name="NoriaDataPlaneProblem",
        expr="max by (instance) (noria_problems) > 0",
        wait="5m",
        severity="page",
        summary="The data plane on {{ $labels.instance }} has {{ $value }} problem(s)",
        description="GET /plan names them.",
    ),
    Rule(
        group=LOOPS,
        name="NoriaIncidentPages",
        expr="max by (loop) (noria_pages_open) > 0",
        wait="0m",
        severity="page",
        summary="{{ $labels.loop }} has an incident that calls a person",
        description="Its page says what changed, since when, and why it matters.",
    ),
    Rule(
        group=LOOPS,
        name="NoriaMonitorsLag",
        expr="max by (loop) (scalar(max(noria_event_time_seconds)) - noria_watched_until_seconds) > 14 * 86400",
        wait="1h",
        severity="notice",
        summary="The monitors of {{ $labels.loop }} have not looked for two weeks of event time",
        description="Does a control plane run? Is there traffic? `noria doctor` looks.",
    ),
    Rule(
        group=LOOPS,
        name="NoriaWaitsForApproval",
        expr='max by (loop) (noria_loop_phase{phase="waiting-for-approval"}) == 1',
        wait="1d",
        severity="notice",
        summary="A candidate of {{ $labels.loop }} has waited a day for a person",
        description="`noria approve {{ $labels.loop }}`, or its page.",
    ),
    Rule(
        group=LOOPS,
        name="NoriaControlPlaneDown",
        expr='absent(up{job="noria-control"} == 1)',
        wait="5m",
        severity="notice",
        summary="No control plane answers",
        description="Predictions go on from the last good plan, but nothing is watched and nothing turns.",
    ),
    Rule(
        group=SERVING,
        name="NoriaDataPlaneDown",
        expr='absent(up{job="noria-data"} == 1)',
        wait="1m",
        severity="page",
        summary="No data plane answers",
        description="Requests get no predictions. `noria up` starts it again.",
    ),
)


def rules_yaml(rules: tuple[Rule, ...] = RULES) -> str:
    """The rules as a file for `rule_files`; every text is a quoted YAML scalar."""
    lines = ["groups:"]
    for group in dict.fromkeys(rule.group for rule in rules):
        lines += [f"  - name: {group}", "    rules:"]
        for rule in (one for one in rules if one.group == group):
            lines += [
                f"      - alert: {rule.name}",
                f"        expr: {json.dumps(rule.expr)}",
                f"        for: {rule.wait}",
                "        labels:",
                *(f"          {name}: {json.dumps(value)}" for name, value in {"severity": rule.severity, **rule.labels}.items()),
                "        annotations:",
                f"          summary: {json.dumps(rule.summary, ensure_ascii=False)}",
                f"          description: {json.dumps(rule.description, ensure_ascii=False)}",
            ]
    return "\n".join(lines) + "\n"


def scrape_yaml(control: str, data: str, *, token_file: str = "") -> str:
    """A configuration that scrapes one home, to start from.

    Args:
        control, data: Addresses of the two planes, `host:port`.
        token_file: Where the home's token is, for servers that ask for it.
    """
    lines = ["global:", "  scrape_interval: 15s", "rule_files:", "  - rules.yml", "scrape_configs:"]
    for job, address in (("noria-control", control), ("noria-data", data)):
        lines += [f"  - job_name: {job}", "    static_configs:", f"      - targets: [{json.dumps(address)}]"]
        lines += ["    authorization:", f"      credentials_file: {json.dumps(token_file)}"] if token_file else []
    return "\n".join(lines) + "\n"
