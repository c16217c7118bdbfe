"""Where a monitor stands: one breach is weather, k of the last m are a change.

ok → pending (a breach) → firing (k of the last m) → recovering (clean) → ok (k clean in a row).
"""

from __future__ import annotations

from dataclasses import replace

from noria.core.watching import Level, MonitorPhase, MonitorState, Reading

HYSTERESIS = 0.2
"""A monitor that fires is clean only this far within its limit: at 0.8 × threshold."""

ALERTING = frozenset({MonitorPhase.FIRING, MonitorPhase.RECOVERING})


def advance(state: MonitorState, reading: Reading, *, k: int, m: int) -> MonitorState:
    """Move a monitor by one reading; "not enough data" moves nothing.

    Args:
        k, m: It fires after `k` breaches in its last `m` readings, and is well again after `k`
            clean ones in a row, which also wipe the slate.
    """
    reading = relevel(state, reading)
    if reading.level is Level.NOT_ENOUGH:
        return state
    recent = (*state.recent, reading.level)[-m:]
    phase = _next(state.phase, recent, k)
    if phase is MonitorPhase.OK and state.phase in ALERTING:
        recent = (Level.OK,) * min(k, m)
    return replace(state, recent=recent, phase=phase, since=state.since if phase is state.phase else reading.time)


def relevel(state: MonitorState, reading: Reading) -> Reading:
    """Hold an alerting monitor to the stricter limit, so that it does not flutter around the first one."""
    if state.phase in ALERTING and reading.level is Level.OK and reading.effect > -HYSTERESIS:
        return replace(reading, level=Level.BREACH)
    return reading


def _next(phase: MonitorPhase, recent: tuple[Level, ...], k: int) -> MonitorPhase:
    if phase in ALERTING:
        if recent[-1] is Level.BREACH:
            return MonitorPhase.FIRING
        clean = len(recent) >= k and Level.BREACH not in recent[-k:]
        return MonitorPhase.OK if clean else MonitorPhase.RECOVERING
    breaches = recent.count(Level.BREACH)
    if breaches >= k:
        return MonitorPhase.FIRING
    return MonitorPhase.PENDING if breaches else MonitorPhase.OK
