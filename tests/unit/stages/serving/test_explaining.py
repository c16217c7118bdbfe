"""Reasons beside answers: exact or not given, never in anybody's way."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from noria.core.errors import RequestInvalid, Unavailable
from noria.core.explaining import Explanation
from noria.core.traffic import Role
from noria.ports import wire
from noria.stages.serving import explaining
from noria.stages.serving.asks import Asking
from noria.stages.serving.explaining import APART, Explaining, Explains
from noria.stages.serving.frames import Explanations, decode


@dataclass
class Native:
    """Says of `Sum`'s answers that distance and wind made them; `off` by how much it errs, `waits` until it is let go."""

    explained_by: str = "tree-shap"
    off: float = 0.0
    loads: int = 0
    fails: Exception | None = None
    none: bool = False
    calls: list[int] = field(default_factory=list)
    let_go: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    waits: bool = False

    def load(self, version) -> Explains:
        self.loads += 1
        if self.fails is not None:
            raise self.fails
        return Explains(scorer=self, background=np.empty((0, 2)))

    def contributions(self, X, background):
        self.calls.append(len(X))
        self.entered.set()
        if self.waits:
            assert self.let_go.wait(20)
        if self.none:
            return None
        parts = X / [10_000, 100]
        share = parts.sum(axis=1)
        base = np.log(share / (1 - share)) - share + self.off
        return np.concatenate([parts, base[:, None]], axis=1)[:, None, :]


@pytest.fixture
def native() -> Native:
    return Native()


@pytest.fixture
def explained(at_work, native):
    """Run a scenario with an explainer over an open desk."""

    def run(scenario, **plan):
        async def whole(office):
            over = Explaining(office.desk, native.load)
            try:
                await scenario(over, office)
            finally:
                await over.close()

        at_work(whole, **plan)

    return run


def row(distance: float, given: str | None = None):
    return given, {"tail": "N1", "distance": distance}


def reasons(office) -> list[Explanations]:
    return [frame for frame in map(decode, office.journal.frames) if isinstance(frame, Explanations)]


def test_base_and_parts_add_up_and_are_kept_with_the_prediction(explained) -> None:
    async def scenario(over, office):
        ((answer, why), (_, second)) = await over.predict("late", [row(1_000.0, "mine"), row(4_000.0)])
        assert (answer.id, answer.prediction) == ("mine", pytest.approx(0.11))
        assert (why.subject, why.scale, why.method, why.version) == ("late", "log-odds", "tree-shap", "late@1")
        assert why.base + sum(part.part for part in why.parts) == pytest.approx(why.margin)
        assert 1 / (1 + np.exp(-why.margin)) == pytest.approx(answer.prediction)
        assert {part.feature: part.value for part in why.parts} == {"distance": 1_000.0, "wind": 1.0}
        (kept,) = reasons(office)
        assert kept.ids == [row.request_id for row in office.journal.predictions()]
        assert [wire.load(told, Explanation) for told in kept.told] == [why, second]
        counters = office.desk.counters()
        assert (counters.explained, counters.unexplained, counters.logged) == (2, 0, 2)

    explained(scenario)


def test_parts_that_do_not_add_up_are_no_explanation(explained, native) -> None:
    async def scenario(over, office):
        native.off = 0.01
        ((answer, why),) = await over.predict("late", [row(1_000.0)])
        assert answer.prediction == pytest.approx(0.11)
        assert why.startswith("its parts do not add up to the answer")
        assert reasons(office) == [] or reasons(office)[0].ids == []
        assert (office.desk.counters().explained, office.desk.counters().unexplained) == (0, 1)

    explained(scenario)


def test_a_version_without_an_exact_method_is_refused_before_anything_is_computed(explained, native) -> None:
    async def scenario(over, office):
        native.fails = RequestInvalid("has no exact method", fields={"explain": "must be left out"})
        for _ in range(3):
            with pytest.raises(RequestInvalid, match="no exact method"):
                await over.predict("late", [row(1.0)])
        assert (native.loads, office.scorer.calls) == (1, [])

    explained(scenario)


def test_a_version_that_cannot_be_opened_now_is_tried_again(explained, native) -> None:
    async def scenario(over, office):
        native.fails = OSError("the disk is away")
        with pytest.raises(Unavailable, match="the disk is away"):
            await over.predict("late", [row(1.0)])
        native.fails = None
        ((_, why),) = await over.predict("late", [row(1.0)])
        assert isinstance(why, Explanation)

    explained(scenario)


def test_whatever_a_method_does_the_answer_is_given(explained, native) -> None:
    async def scenario(over, office):
        native.none = True
        ((answer, why),) = await over.predict("late", [row(1_000.0)])
        assert (answer.prediction, why) == (pytest.approx(0.11), "this version has no exact method")

    explained(scenario)


def test_a_row_that_does_not_fit_is_refused(explained) -> None:
    async def scenario(over, office):
        for items in ([(None, {})], [(7, {})], [(None, None)]):
            with pytest.raises(RequestInvalid):
                await over.predict("late", items)
        assert not over.wants("mine")

    explained(scenario)


def test_rows_are_bounded(explained, monkeypatch) -> None:
    async def scenario(over, office):
        with pytest.raises(RequestInvalid, match="at most 100"):
            await over.predict("late", [row(1.0)] * 101)
        monkeypatch.setattr(explaining, "WAITING_LIMIT", 2)
        with pytest.raises(Unavailable, match="too many"):
            await over.predict("late", [row(1.0)] * 3)
        assert len(await over.predict("late", [row(1.0)] * 2)) == 2
        assert len(await over.predict("late", [row(1.0)] * 2)) == 2

    explained(scenario)


def test_an_explained_row_is_in_the_log_whatever_its_sample(explained) -> None:
    async def scenario(over, office):
        await over.predict("late", [row(1_000.0, "why")])
        await over.keep("late", [row(1_000.0, "later")])
        await office.ask(1_000.0)
        assert [row.request_id for row in office.journal.predictions()] == ["why", "later"]
        counters = office.desk.counters()
        assert (counters.requests, counters.logged, counters.sampled_out) == (3, 2, 1)

    explained(scenario, sample=0.0)


def test_a_challengers_answers_are_left_for_later(explained) -> None:
    async def scenario(over, office):
        ((answer, why),) = await over.predict("late", [row(1_000.0)])
        assert (answer.version, why) == (2, APART)
        for asking in (Asking(version=2), Asking(role=Role.CHALLENGER)):
            with pytest.raises(RequestInvalid, match="process of its own"):
                await over.predict("late", [row(1_000.0)], asking)
        ((answer, why),) = await over.predict("late", [row(1_000.0)], Asking(version=1))
        assert (answer.version, why.version) == (1, "late@1")

    explained(scenario, challenger=2, challenger_share=1.0)


def test_rows_with_one_id_are_explained_each(explained) -> None:
    async def scenario(over, office):
        one, other = await asyncio.gather(
            over.predict("late", [row(1_000.0, "same"), row(4_000.0, "same")]), over.predict("late", [row(7_000.0, "same")])
        )
        shares = [why.answer for _, why in (*one, *other)]
        given = [answer.prediction for answer, _ in (*one, *other)]
        assert given == [pytest.approx(0.11), pytest.approx(0.41), pytest.approx(0.71)]
        assert shares == given
        assert not over.wants("same")

    explained(scenario)


def test_nobody_else_waits_for_reasons(explained, native) -> None:
    async def scenario(over, office):
        native.waits = True
        asked = asyncio.create_task(over.predict("late", [row(1_000.0)]))
        await asyncio.to_thread(native.entered.wait, 20)
        (answer,) = await office.ask(2_000.0)
        assert answer.prediction == pytest.approx(0.21)
        assert not asked.done()
        native.let_go.set()
        assert len(await asked) == 1

    explained(scenario)


def test_a_share_of_the_traffic_is_explained_without_anybody_waiting(explained, native) -> None:
    async def scenario(over, office):
        await office.ask(*(float(n) for n in range(1, 201)))
        while over._tasks:
            await asyncio.wait(over._tasks)
        kept = [request_id for frame in reasons(office) for request_id in frame.ids]
        assert 60 < len(kept) < 140
        assert office.desk.counters().explained == len(kept)
        assert set(kept) < {row.request_id for row in office.journal.predictions()}

    explained(scenario, explain=0.5)


def test_a_share_that_is_behind_is_counted_and_dropped(explained, native, monkeypatch) -> None:
    async def scenario(over, office):
        monkeypatch.setattr(explaining, "WAITING_LIMIT", 2)
        await office.ask(1.0, 2.0, 3.0)
        assert office.desk.counters().unexplained == 3
        assert native.calls == []

    explained(scenario, explain=1.0)


def test_what_waits_is_dropped_at_the_end(explained, native) -> None:
    async def scenario(over, office):
        await office.ask(1.0)
        await over.close()
        assert len(office.journal.predictions()) == 1

    explained(scenario, explain=1.0)
