"""Mistakes in how a loop compares its models are found before anything runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

import noria as nr
from noria.core.declaration.gates import Gate
from noria.loop.declared_comparisons import mistakes_of_comparing

SHOP = nr.Dataset("shop", "shop.parquet", key="order", time="at")
LOOP = nr.Loop("orders", features=[SHOP["a"]], label=nr.Label(SHOP["returned"]), train=lambda data, params: None)


def wrong(**parts: object) -> str:
    return " · ".join(f"{part}: {said}" for part, said, _ in mistakes_of_comparing(replace(LOOP, **parts)))


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (nr.not_worse_than_champion("roc_auc", margin=0.0), "can never be shown"),
        (nr.equivalent_to_champion("roc_auc", margin=-1.0), "can never be shown"),
        (nr.beats_baselines("roc_auc", margin=-0.1), "asks for a worse model"),
        (nr.not_worse_than_champion("roc_auc", margin=0.1, confidence=95), "a confidence of 95"),
    ],
)
def test_a_gate_that_makes_no_sense_is_named(gate: Gate, said: str) -> None:
    assert said in wrong(gates=[gate]) and str(gate) in wrong(gates=[gate])


def test_sound_comparisons_are_not_remarked_upon() -> None:
    sound = [nr.not_worse_than_champion("roc_auc", margin=0.01), nr.beats_baselines("roc_auc"), nr.beats_champion("roc_auc")]
    assert wrong(gates=sound) == ""


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"backtest": nr.Backtest(windows=0)}, "backtest: 0 windows"),
        ({"backtest": nr.Backtest(tolerance=0.0)}, "leaves nothing to lose"),
        ({"lofo": -1}, "lofo: -1 features"),
        ({"retrain": nr.Retrain(probe=True, min_gain=0.0)}, "is worth no turn"),
        ({"retrain": nr.Retrain(probe=True, cost=-1.0)}, "cost=-1"),
    ],
)
def test_what_cannot_be_tried_is_named(parts: dict[str, object], said: str) -> None:
    assert said in wrong(**parts)


def test_what_can_be_tried_is_not_remarked_upon() -> None:
    assert wrong(backtest=nr.Backtest(every="30d"), lofo=3, retrain=nr.Retrain(probe=True, min_gain=0.01, cost=5.0)) == ""
