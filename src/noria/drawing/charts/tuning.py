"""The tuner's trials, and the best so far."""

from __future__ import annotations

from itertools import accumulate
from math import isfinite

from noria.core.training import Recipe, Trial
from noria.drawing.theme import ACCENT, BAD, MUTED, Chart, chart, nothing_yet

SMALLER_IS_BETTER = ("loss", "error", "brier", "ece", "mae", "mape", "rmse", "mse")


def tuning_chart(recipe: Recipe) -> Chart:
    """Draw each trial's value and the best so far as a step line."""
    tried = [trial for trial in recipe.trials if trial.value is not None and isfinite(trial.value)]
    if not tried:
        return nothing_yet("No trials: the loop trains with fixed parameters.")
    better = min if any(word in recipe.metric for word in SMALLER_IS_BETTER) else max
    complete = [trial for trial in tried if trial.state == "complete"] or tried
    best = better(trial.value for trial in complete if trial.value is not None)
    so_far = accumulate((trial.value for trial in complete), lambda a, b: better(a, b))
    steps = [{"n": trial.number, "v": value} for trial, value in zip(complete, so_far, strict=True)]
    x = {"field": "n", "type": "quantitative", "axis": {"title": "trial", "format": "d", "tickMinStep": 1}, "scale": {"nice": False}}
    y = {"field": "v", "type": "quantitative", "scale": {"zero": False}, "axis": {"tickCount": 4, "format": ".3f"}}
    colour = {
        "field": "state",
        "type": "nominal",
        "scale": {"domain": ["complete", "pruned", "failed"], "range": [ACCENT, MUTED, BAD]},
        "legend": None,
    }
    tips = [
        {"field": "n", "title": "trial"},
        {"field": "v", "title": recipe.metric, "format": ".4f"},
        {"field": "state"},
        {"field": "params"},
        {"field": "seconds", "format": ".1f"},
    ]
    return chart(
        f"{len(recipe.trials)} trials of {recipe.metric}; the best is {best:.4f}.",
        height=170,
        layer=[
            {"data": {"values": steps}, "mark": {"type": "line", "interpolate": "step-after", "color": ACCENT, "strokeWidth": 1.5, "opacity": 0.5}, "encoding": {"x": x, "y": y}},
            {
                "data": {"values": [_row(trial) for trial in tried]},
                "mark": {"type": "point", "filled": True, "size": 55, "opacity": 0.9},
                "encoding": {"x": x, "y": y, "color": colour, "tooltip": tips},
            },
        ],
    )  # fmt: skip


def _row(trial: Trial) -> dict[str, object]:
    said = ", ".join(f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in trial.params.items())
    return {"n": trial.number, "v": trial.value, "state": trial.state, "params": said, "seconds": trial.seconds}
