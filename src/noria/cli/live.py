"""The live view of a replay: one screen on which a loop is seen turning, or plain lines where there is no terminal."""

from __future__ import annotations

import math
from time import perf_counter
from types import TracebackType

from rich.console import Console
from rich.live import Live

from noria.cli.drawing import TONES
from noria.cli.live_state import DriftBar, Happening, LiveState, QualityPoint
from noria.cli.panels import frame

__all__ = ["DriftBar", "Happening", "LiveState", "LiveView", "QualityPoint"]

_SMALLEST = (80, 24)
_LEFT_BEHIND = 32


class LiveView:
    """Draws `LiveState`s, at most `fps` a second; a context manager. For one thread.

    On a terminal it owns the screen until it is left, and leaves its last picture behind. Elsewhere
    (a pipe, CI, a very small window) it prints one line per important happening.

    >>> with LiveView(Console()) as view:  # doctest: +SKIP
    ...     view.show(state)
    """

    def __init__(self, console: Console, *, fps: float = 6.0) -> None:
        self._console = console
        self._pause_s = 1.0 / fps
        self._shown_at = -math.inf
        self._last: LiveState | None = None
        self._told: set[str] = set()
        big_enough = console.width >= _SMALLEST[0] and console.height >= _SMALLEST[1]
        self._live = Live(console=console, screen=True, auto_refresh=False) if console.is_terminal and big_enough else None

    def __enter__(self) -> LiveView:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()
            if self._last:
                self._console.print(frame(self._last), height=min(self._console.height - 1, _LEFT_BEHIND))

    def show(self, state: LiveState, *, force: bool = False) -> bool:
        """Draw `state`, unless the last picture is too young; returns whether it was drawn."""
        self._last = state
        if self._live is None:
            self._say(state)
            return True
        if not force and perf_counter() - self._shown_at < self._pause_s:
            return False
        self._live.update(frame(state), refresh=True)
        self._shown_at = perf_counter()
        return True

    def _say(self, state: LiveState) -> None:
        for one in state.happenings:
            if one.important and one.id not in self._told:
                self._told.add(one.id)
                self._console.print(
                    f"{one.at:%Y-%m-%d %H:%M}  {one.kind:<20}  {one.text}", style=TONES[one.tone], highlight=False, soft_wrap=True
                )
