"""What can be wrong with how a loop brings challengers in, watches, tells people, and retrains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from noria.core.declaration.alerts import Alerts
from noria.core.declaration.dataset import Columns
from noria.core.declaration.features import FeatureView, OnDemand
from noria.core.declaration.loop import Loop
from noria.core.declaration.rollout import AB, Bandit, BlueGreen, Canary, Interleave, Shadow, Strategy
from noria.core.declaration.tolerance import BUSINESS, business_name
from noria.core.declaration.watch import DATA_QUALITY, STATISTICS, Watch
from noria.core.moments import spoken
from noria.core.turning import Cause
from noria.loop.beside import MAKERS, name_of
from noria.loop.guards import is_felt
from noria.loop.mistakes import Mistake, nearest
from noria.stages.monitoring.alarms import ALARMS
from noria.stages.monitoring.sudden import DETECTORS, STREAMS
from noria.stages.serving.outcome import NAME

WARM = 100
"""Rows that a version must have computed unseen before it gets all traffic at once."""


def mistakes_of_policies(loop: Loop) -> Iterator[Mistake]:
    """Every mistake in `rollout=`, `retrain=`, `watch=`, `alerts=` and `test=`."""
    yield from _of_strategy(loop.rollout)
    yield from _of_rollout(loop.rollout)
    yield from _of_guards(loop)
    yield from _of_alerts(loop.alerts)
    for cause in loop.retrain.on:
        if cause not in tuple(Cause):
            yield "retrain", f"signal {cause!r} does not exist", nearest(cause, [known.value for known in Cause])
    for name, times in Counter(name_of(watch) for watch in loop.watch if watch.check in MAKERS).items():
        if times > 1:
            yield "watch", f"{times} watches are {name}", "keep one of them"
    yield from _of_content(loop)
    for watch in loop.watch:
        if not 0 < watch.share <= 0.1:
            yield f"watch {watch.check}", f"share={watch.share:g} of usual requests", "keep it between 0 and 0.1"
        if not 1 <= watch.k <= watch.m:
            yield f"watch {watch.check}", f"k={watch.k} of m={watch.m}", "k is between 1 and m"
        yield from _of_watch(watch)
    if not 0.0 <= loop.explain <= 1.0:
        yield "explain", f"a share of {loop.explain:g} of the answers", "keep it between 0 and 1"
    if not 0.02 <= loop.test <= 0.5:
        yield "test", f"a share of {loop.test:g} judges", "keep it between 0.02 and 0.5"


def _of_content(loop: Loop) -> Iterator[Mistake]:
    """Watched columns must come with each request, or nothing of them is in the log."""
    asked = {loop.label.columns.dataset.key, loop.label.columns.dataset.time}
    for feature in loop.features:
        match feature:
            case Columns():
                asked |= set(feature.names)
            case OnDemand():
                asked |= set(feature.inputs)
            case FeatureView():
                asked.add(feature.key)
    for watch in loop.watch:
        if watch.column and watch.column not in asked:
            yield (
                f"watch {watch.check}",
                f"no feature reads {watch.column!r}, so no request carries it",
                nearest(watch.column, sorted(asked)),
            )
        if watch.check in ("embedding-drift", "image-drift") and not callable(watch.convert):
            yield f"watch {watch.check}", f"{watch.convert!r} is no function", "name the function that takes the column's values"


def _of_strategy(strategy: Strategy) -> Iterator[Mistake]:
    match strategy:
        case Canary(steps=steps):
            if not steps or list(steps) != sorted(set(steps)) or steps[0] <= 0 or steps[-1] != 100:
                yield "rollout", f"steps {tuple(steps)} do not climb from above 0 to 100", "write for example steps=[1, 10, 50, 100]"
        case AB():
            if not 0 < strategy.share < 100:
                yield "rollout", f"a share of {strategy.share:g} % compares nothing", "keep it between 0 and 100, 50 is quickest"
            if strategy.min_effect < 0:
                yield "rollout", f"min_effect={strategy.min_effect:g}", "ask for 0 or more: the challenger must be better"
        case Bandit():
            if not 0 < strategy.floor < 0.5:
                yield "rollout", f"a floor of {strategy.floor:g} leaves no room", "keep it between 0 and 0.5"
            if not 0 < strategy.step <= 1:
                yield "rollout", f"step={strategy.step:g}", "let the share move by more than 0 and at most 1"
        case Shadow():
            if strategy.then not in ("ask", "promote", "leave"):
                yield "rollout", f"then={strategy.then!r} is unknown", "write then='ask', 'promote' or 'leave'"
        case BlueGreen():
            if strategy.shadow_rows < WARM:
                yield (
                    "rollout",
                    f"{strategy.shadow_rows:,} shadow rows do not warm a version that gets all traffic",
                    f"ask for {WARM} or more",
                )
            if strategy.bake <= timedelta(0):
                yield "rollout", "a bake of no time", 'write for example bake="2h"'
        case Interleave():
            if strategy.metric not in ("wins", "gain"):
                yield "rollout", f"metric={strategy.metric!r} is no way to count queries", "write metric='wins' or metric='gain'"
            if strategy.min_effect < 0:
                yield "rollout", f"min_effect={strategy.min_effect:g}", "ask for 0 or more: the challenger must be better"


def _of_rollout(strategy: Strategy) -> Iterator[Mistake]:
    if not 1 <= strategy.min_rows <= strategy.max_rows:
        yield "rollout", f"min_rows={strategy.min_rows:,} of max_rows={strategy.max_rows:,}", "1 ≤ min_rows ≤ max_rows"
    if not 0.5 < strategy.confidence < 1:
        yield "rollout", f"a confidence of {strategy.confidence:g}", "keep it between 0.5 and 1"


def _of_guards(loop: Loop) -> Iterator[Mistake]:
    """Guards that a strategy can never hear, and interleaving of what is no ranking."""
    strategy = loop.rollout
    if isinstance(strategy, Interleave) and loop.label.task != "ranking":
        yield "rollout", "only rankings can be interleaved", 'write nr.Label(…, task="ranking", group=…), or choose another rollout'
    for guard in strategy.guard:
        business = guard.startswith(BUSINESS)
        if isinstance(strategy, Shadow) and is_felt(guard):
            yield "rollout", f"{guard!r} says nothing of a shadow: no user meets it", "leave it out"
        elif business and isinstance(strategy, BlueGreen | Interleave):
            yield "rollout", f"{guard!r} has nothing to be held against where all requests meet both or one", "use nr.Canary or nr.AB"
        elif business and guard not in strategy.margin:
            yield "rollout", f"{guard!r} has no margin", f'say how much harm is tolerated: margin={{"{guard}": …}}'
        if business and not NAME.fullmatch(business_name(guard)[0]):
            yield "rollout", f"{guard!r} names no number", 'write for example "business:revenue"'


def _of_watch(watch: Watch) -> Iterator[Mistake]:
    part = f"watch {watch.check}"
    if watch.check == "sudden":
        yield from _of_sudden(watch, part)
        return
    if watch.check == "prediction-bias" and watch.floor <= 0:
        yield part, f"by={watch.floor:g}", "name a bias that does not matter, such as by=0.05"
    for name, share in (("at_least", watch.at_least), ("at_most", watch.at_most)):
        if share is not None and not 0 < share < 1:
            yield part, f"{name}={share:g} is no share", "keep it between 0 and 1"
    if watch.statistic not in STATISTICS:
        yield part, f"statistic {watch.statistic!r} does not exist", nearest(watch.statistic, STATISTICS)
    for name in watch.monitors:
        if name not in DATA_QUALITY:
            yield part, f"monitor {name!r} does not exist", nearest(name, DATA_QUALITY)
    if watch.season is not None and (watch.season <= watch.every or watch.season % watch.every):
        yield part, f"a season of {spoken(watch.season)} in chunks of {spoken(watch.every)}", "let it be two or more whole chunks"


def _of_sudden(watch: Watch, part: str) -> Iterator[Mistake]:
    if watch.statistic not in DETECTORS:
        yield part, f"detector {watch.statistic!r} does not exist", nearest(watch.statistic, DETECTORS)
    for name in watch.monitors:
        if name not in STREAMS:
            yield part, f"stream {name!r} does not exist", nearest(name, STREAMS)


def _of_alerts(alerts: Alerts) -> Iterator[Mistake]:
    if alerts.pages_per_week < 0:
        yield "alerts", f"pages_per_week={alerts.pages_per_week}", "write 0 or more; 0 tells all in the digest"
    if alerts.digest <= timedelta(0):
        yield "alerts", "a digest every no time", 'write for example digest="1d"'
    for quiet in alerts.quiet:
        if quiet.monitor and quiet.monitor not in ALARMS:
            yield "alerts", f"monitor {quiet.monitor!r} does not exist", nearest(quiet.monitor, ALARMS)
        if quiet.length <= timedelta(0):
            yield "alerts", f"a quiet time at {quiet.at!r} of no length", 'write for example nr.Quiet("sat 22:00", "8h")'
