"""What was in production at a moment, as the moves of aliases and the rollouts tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from noria.core.registry import AliasMove
from noria.core.turning import Rollout, RolloutPhase
from noria.ledger.documents import Documents
from noria.ledger.production import history, in_production, pointed_at
from noria.testing.memory import MemoryRecords

START = datetime(2026, 1, 1, tzinfo=UTC)


def day(n: float) -> datetime:
    return START + timedelta(days=n)


def moved(model: str, before: int | None, after: int | None, at: datetime, alias: str = "champion", by: str = "noria") -> AliasMove:
    return AliasMove(model=model, alias=alias, before=before, after=after, by=by, reason=f"because {after}", at=at)


def life() -> Documents:
    documents = Documents(MemoryRecords())
    for move in (
        moved("churn", None, 1, day(0)),
        moved("churn", None, 2, day(3), "challenger"),
        moved("churn", 1, 2, day(5), by="anna"),
        moved("churn", 2, None, day(8)),
        moved("fraud", None, 7, day(4)),
    ):
        documents.put(move)
    documents.put(
        Rollout(
            id="rollout_1",
            loop="churn",
            turn="t",
            champion=1,
            challenger=2,
            steps=(10.0, 100.0),
            phase=RolloutPhase.PROMOTED,
            started_at=day(3),
            step_started_at=day(4),
            ended_at=day(5),
        )
    )
    return documents


def test_each_moment_has_the_version_that_answered_then():
    records = life().records
    assert in_production(records, day(-1)) == []
    (churn,) = in_production(records, day(2))
    assert (churn.version, churn.since, churn.until, churn.challenger) == (1, day(0), day(5), None)
    churn, fraud = in_production(records, day(4))
    assert (churn.version, churn.challenger, churn.rollout, fraud.version, fraud.until) == (1, 2, "canary", 7, None)
    (churn,) = in_production(records, day(5), "churn")
    assert (churn.version, churn.by, churn.reason, churn.challenger) == (2, "anna", "because 2", None)
    (churn,) = in_production(records, day(9), "churn")
    assert (churn.version, churn.since) == (None, day(8))
    assert in_production(records, day(9), "nothing") == []


def test_aliases_point_where_their_last_move_put_them():
    moves = history(life().records, "churn")
    assert [move.after for move in moves] == [1, 2, 2, None]
    assert pointed_at(moves, day(4)) == {"champion": 1, "challenger": 2}
    assert pointed_at(moves, day(9)) == {"challenger": 2}
