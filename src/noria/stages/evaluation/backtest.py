"""A recipe on several recent windows, each answered by the model that was trained right before it."""

from __future__ import annotations

from datetime import datetime

from noria.core.examination.backtest import Backtest, BacktestWindow
from noria.stages.evaluation.past import Past


def backtest(past: Past, *, until: datetime, seconds: float = 0.0, left_out: str = "") -> Backtest:
    """Tell each window's marks, and those of all together.

    Windows are weighted by their rows. The champion is compared only where it had not been trained
    on the rows: elsewhere it would know the answers.

    Args:
        until: Windows that begin at this moment or later are left out: they are what judges the candidate.
        left_out: Why there are fewer windows than were asked for.
    """
    windows = [window for window in past.windows if past.starts[window] < until]
    fair = [window for window in windows if past.champion is not None and _fair(past, window)]
    return Backtest(
        metric=past.metric.name,
        windows=tuple(_window(past, window, fair=window in fair) for window in windows),
        mark=past.estimate(past.value([(window, window) for window in windows])),
        versus=past.estimate(past.over_champion(fair)) if fair else None,
        seconds=seconds,
        left_out=left_out,
    )


def _window(past: Past, window: int, *, fair: bool) -> BacktestWindow:
    there = past.champion is not None
    return BacktestWindow(
        start=past.starts[window],
        end=past.starts[window + 1] if window + 1 < len(past.starts) else past.end,
        rows=past.length(window),
        trained_rows=past.trained_rows[window],
        mark=past.estimate(past.value([(window, window)])),
        champion=past.estimate(past.champion_value([window])) if there else None,
        versus=past.estimate(past.over_champion([window])) if fair else None,
        fair=fair or not there,
        note="the champion was trained on these rows" if there and not fair else "",
    )


def _fair(past: Past, window: int) -> bool:
    return past.champion_from is None or past.starts[window] >= past.champion_from
