"""Documents by their class."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from noria.core.access import ApiKey
from noria.core.alerting import AlertBook, Opinion, Silence, Tuning
from noria.core.anomalies import AnomalousRequest, AnomalyQueue
from noria.core.audit import AuditLine
from noria.core.data import DatasetVersion
from noria.core.errors import Conflict
from noria.core.identities import AccessToken, Admittance, Session, TokenUse, User
from noria.core.ids import digest_of
from noria.core.judging import Approval
from noria.core.lineage import Ingredients, UpstreamJob
from noria.core.notices import Delivery, Happening, Notice
from noria.core.performance import MaturityCurve
from noria.core.probing import Answer, Judgement, Probe
from noria.core.projects import Project
from noria.core.registry import AliasMove, Deployment
from noria.core.schema import Estimate, Task
from noria.core.state import AliasState, LoopState, TrafficPoint
from noria.core.streaming import StreamState
from noria.core.training import Run, RunState
from noria.core.turning import Cause, Rollout, RolloutPhase, Signal, Step, StepState, Turn, TurnState
from noria.core.watching import Incident, Level, MonitorState, Reading
from noria.ledger.documents import SHELVES, Documents
from noria.testing.memory import MemoryRecords

NOW = datetime(2013, 4, 1, tzinfo=UTC)
SIGNAL = Signal(id="signal_1", loop="l", cause=Cause.MANUAL, reason="asked", at=NOW)
INCIDENT = Incident(id="incident_1", loop="l", severity="high", title="t", cause="c", subjects=("drift:x",), opened_at=NOW)
MOVE = AliasMove(model="m", alias="champion", before=None, after=1, by="noria", reason="born", at=NOW)

ANOMALY = AnomalousRequest(
    loop="l",
    number=1_003,
    request_id="r",
    version=1,
    time=NOW,
    score=2.0,
    threshold=1.0,
    far=(),
    neighbours=(),
    features={},
    answer=(0.5, 0.5),
)

PROBED = Probe(
    metric="roc_auc",
    start=NOW,
    end=NOW,
    rows=9,
    rarest=1,
    blocks=1,
    trained_rows=90,
    trained_until=NOW,
    refit=Estimate(value=0.7, low=0.5, high=0.9, n=9, se=0.1),
)

DEPLOYMENT = Deployment(name="d", version=1, origin="m.txt", format="lightgbm", task=Task.BINARY, by="ada", created_at=NOW, deployed_at=NOW)

FILED = [
    (LoopState(name="l", description="", file="", code="", task=None, phase="newborn"), "loop", "l", {}),
    (
        Turn(id="turn_1", loop="l", number=1, state=TurnState.OPEN, signal=SIGNAL, code="", created_at=NOW),
        "turn",
        "turn_1",
        {"loop": "l", "state": "open"},
    ),
    (
        Step(turn="turn_1", name="train", seq=3, attempt=1, state=StepState.DONE, started_at=NOW),
        "step",
        "turn_1/0003-train",
        {"turn": "turn_1"},
    ),
    (
        Run(id="run_1", loop="l", turn="turn_1", kind="training", state=RunState.RUNNING, started_at=NOW),
        "run",
        "run_1",
        {"loop": "l", "turn": "turn_1"},
    ),
    (AliasState(model="m", alias="champion", version=1, moved_at=NOW), "alias", "m/champion", {"model": "m"}),
    (ApiKey(id="k1", deployment="d", digest="sha256:0", made_at=NOW), "api-key", "k1", {"deployment": "d"}),
    (
        Rollout(
            id="rollout_1",
            loop="l",
            turn="turn_1",
            champion=1,
            challenger=2,
            steps=(0.1,),
            phase=RolloutPhase.ROLLED_BACK,
            started_at=NOW,
            step_started_at=NOW,
        ),
        "rollout",
        "rollout_1",
        {"loop": "l", "phase": "rolled-back", "turn": "turn_1"},
    ),
    (
        Reading(loop="l", monitor="drift", subject="x", time=NOW, value=0.1, threshold=0.2, level=Level.OK, rows=9, low=0.0, high=0.2),
        "reading",
        "l/drift/x/2013-04-01T00:00:00+00:00",
        {"loop": "l", "monitor": "drift", "subject": "x"},
    ),
    (MonitorState(loop="l", monitor="drift", subject="x"), "monitor", "l/drift/x", {"loop": "l"}),
    (INCIDENT, "incident", "incident_1", {"loop": "l", "state": "open"}),
    (replace(INCIDENT, closed_at=NOW), "incident", "incident_1", {"loop": "l", "state": "closed"}),
    (
        DatasetVersion(name="d", digest="sha256:00", parts=(), schema=(), profile=(), rows=0, size_bytes=0, created_at=NOW),
        "dataset",
        "d/sha256:00",
        {"name": "d"},
    ),
    (SIGNAL, "signal", "signal_1", {"loop": "l", "state": "new"}),
    (TrafficPoint(loop="l", start=NOW, seconds=600.0, requests={"1": 5}), "traffic", "l/2013-04-01T00:00:00+00:00", {"loop": "l"}),
    (Judgement(id="turn_1", loop="l", at=NOW, answer=Answer.LATER, reasons=("few",), probe=PROBED), "judgement", "turn_1", {"loop": "l"}),
    (Approval(turn="turn_1", granted=True, by="ada", reason="fine", at=NOW), "approval", "turn_1", {}),
    (
        Notice(id="n1", loop="l", severity="page", about=Happening.OPENED, title="t", text="", dedupe="i1", at=NOW, incident="i1"),
        "notice",
        "n1",
        {"loop": "l", "incident": "i1", "state": "new"},
    ),
    (
        Delivery(notice="n1", loop="l", channel="ops", dedupe="i1", at=NOW, next_at=NOW, first_at=NOW),
        "delivery",
        "n1/ops",
        {"loop": "l", "notice": "n1", "channel": "ops", "state": "waiting"},
    ),
    (Silence(id="s1", loop="l", since=NOW, until=NOW, by="ada", because=""), "silence", "s1", {"loop": "l"}),
    (AlertBook(loop="l", paged=(NOW,)), "alert-book", "l", {}),
    (Opinion(incident="i1", loop="l", useful=True, by="ada", because="", at=NOW), "opinion", "i1/ada", {"loop": "l", "incident": "i1"}),
    (AnomalyQueue(loop="l", pushed=7), "anomaly-queue", "l", {}),
    (StreamState(loop="l", subject="errors", version=1, until=NOW), "stream", "l/errors", {"loop": "l"}),
    (
        MaturityCurve(
            loop="l",
            at=NOW,
            age_s=(60.0,),
            share=(1.0,),
            low=(0.9,),
            high=(1.0,),
            rows=9,
            waiting=0,
            horizon_s=60.0,
            median_s=60.0,
            p90_s=60.0,
        ),
        "maturity",
        "l",
        {"loop": "l"},
    ),
    (ANOMALY, "anomaly", "l/0003", {"loop": "l", "state": "open"}),
    (
        Tuning(id="t1", loop="l", monitor="drift", subject="x", factor=1.5, state="proposed", reason="", at=NOW),
        "tuning",
        "t1",
        {"loop": "l", "state": "proposed"},
    ),
    (Ingredients(model="l", number=3, turn="t", datasets={"d": "sha256:0"}), "ingredients", "l@000003", {"model": "l"}),
    (
        UpstreamJob(namespace="dbt", name="orders", run="r", state="START", seen_at=NOW),
        "upstream-job",
        digest_of(b"dbt/orders"),
        {"namespace": "dbt"},
    ),
    (DEPLOYMENT, "deployment", "d", {"state": "answering", "code": "none", "form": "model"}),
    (Project(name="lab", made_at=NOW, by="ada"), "project", "lab", {}),
    (replace(DEPLOYMENT, version=None, code="sha256:c"), "deployment", "d", {"state": "taken away", "code": "some", "form": "model"}),
    (AuditLine(id="l1", at=NOW, until=NOW, by="ada", what="POST /x"), "audit", "l1", {"by": "ada", "project": "default"}),
    (Admittance(asks=True), "admittance", "door", {}),
    (User(name="ada", made_at=NOW, outside="https://idp 7"), "user", "ada", {"state": "here", "outside": "https://idp 7"}),
    (AccessToken(id="a1", user="ada", digest="sha256:0", made_at=NOW), "access-token", "a1", {"user": "ada"}),
    (TokenUse(token="a1", at=NOW), "access-token-use", "a1", {}),
    (
        Session(digest="sha256:1", user="ada", csrf="c", made_at=NOW, seen_at=NOW, expires_at=NOW, generation=1),
        "session",
        "sha256:1",
        {"user": "ada"},
    ),
    (replace(DEPLOYMENT, version=None, code="sha256:c"), "deployment", "d", {"state": "taken away", "code": "some", "form": "model"}),
]


@pytest.fixture
def documents():
    return Documents(MemoryRecords())


@pytest.mark.parametrize(("value", "kind", "key", "index"), FILED, ids=lambda value: value if isinstance(value, str) else "")
def test_each_class_has_its_kind_key_and_index(documents, value, kind, key, index):
    put = documents.write(value)
    assert (put.kind, put.key, dict(put.index)) == (kind, key, index)
    assert all(type(field) is str for field in put.index.values())
    documents.put(value)
    assert documents.get(type(value), key) == value
    assert documents.find(type(value), where=index) == [value]


def test_every_shelf_but_versions_and_moves_is_tested_above():
    assert {kind.__name__ for kind in SHELVES} - {type(row[0]).__name__ for row in FILED} == {"AliasMove", "ModelVersion"}


def test_a_move_is_filed_once_however_often_it_is_put(documents):
    documents.put(MOVE)
    documents.put(MOVE)
    documents.put(replace(MOVE, before=1, after=2))
    assert {move.after for move in documents.find(AliasMove, where={"model": "m", "alias": "champion"})} == {1, 2}
    assert documents.write(MOVE).key.startswith("m/champion/move_")


def test_a_signal_changes_its_state_by_hand(documents):
    documents.put(SIGNAL)
    documents.put_signal(SIGNAL, "used")
    assert documents.find(Signal, where={"loop": "l", "state": "new"}) == []
    assert documents.find(Signal, where={"state": "used"}) == [SIGNAL]


def test_a_value_is_written_back_under_compare_and_set(documents):
    documents.put(INCIDENT, expect=0)
    value, revision = documents.revision(Incident, "incident_1")
    documents.put(replace(value, title="two"), expect=revision)
    with pytest.raises(Conflict):
        documents.put(replace(value, title="three"), expect=revision)
    assert documents.get(Incident, "incident_1").title == "two"


def test_what_is_not_there_is_none(documents):
    assert documents.get(Turn, "nobody") is None
    assert documents.revision(Turn, "nobody") is None


def test_enums_select_as_their_values_do(documents):
    documents.put(FILED[1][0])
    assert len(documents.find(Turn, where={"state": TurnState.OPEN})) == 1


def test_a_class_without_a_shelf_is_refused(documents):
    with pytest.raises(TypeError, match="these are: AccessToken"):
        documents.get(dict, "x")
