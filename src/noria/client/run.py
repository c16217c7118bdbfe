"""A run: what one execution of a script is told about itself. Nothing here raises into the script or waits for a network."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from noria.client import captured, ending, figures, files, place
from noria.client.companion import Companion
from noria.client.entries import FINISHED, as_float, entry, points
from noria.client.observing import Observing
from noria.client.sender import EXIT_S, Sender, sender_of
from noria.client.spool import Spool
from noria.client.told import guarded

TRACEBACK_LIMIT = 7_900
SYSTEM_EVERY_S = 10.0

log = logging.getLogger("noria.client")
_current: ContextVar[Run | None] = ContextVar("noria-run", default=None)


def wall_ms() -> int:
    """Milliseconds since 1970: points are told when they happen."""
    return time.time_ns() // 1_000_000


class Run(Observing):
    """One run, open until its block is left, `end` is called or the process ends. Made by `nr.run`.

    Attributes:
        id: 32 hexadecimal digits, chosen here, so that a run needs no server to begin.
        name: What people call it.
        config: The parameters as they hold: those given, with what `noria runs clone --set` changed.
        depth: 0, or how deep inside other runs it is.
    """

    id: str
    depth: int

    def __init__(
        self,
        name: str,
        *,
        experiment: str,
        where: place.Place,
        resumed: str = "",
        parent: Run | None = None,
        parent_id: str = "",
        capture: bool = True,
        system_every_s: float = SYSTEM_EVERY_S,
        clock: Callable[[], int] = wall_ms,
    ) -> None:
        self.id = resumed or uuid.uuid4().hex
        self.name = name
        self.depth = parent.depth + 1 if parent is not None else 0
        self._experiment = experiment
        self._place = where
        self._clock = clock
        self._ended = False
        self._pid = os.getpid()
        self._step = -1
        self._entered: list[Token[Run | None]] = []
        self._complained: set[str] = set()
        self._last: list[Callable[[], None]] = []
        self._config: dict[str, Any] = {}
        self._changed = _changed_params() if parent is None else {}
        where.remember()
        self._spool = Spool(where.shelf / self.id, owns=True)
        start = {"name": name, "experiment": experiment, "parent": parent.id if parent is not None else parent_id, "resume": bool(resumed)}
        self._spool.append(entry(clock(), "start", start))
        self._sender: Sender | None = None
        if where.url and not where.offline:
            self._sender = sender_of(where)
            self._sender.add(self._spool)
        self._companion = self._accompanied(capture and not resumed, system_every_s)
        ending.watch(self)

    @property
    def config(self) -> Mapping[str, Any]:
        """The parameters as they hold."""
        return MappingProxyType(self._config)

    def log(self, values: Mapping[str, Any] | None = None, /, *, step: int | None = None, **named: Any) -> None:
        """Tell values of metrics at a step: `run.log(loss=0.3, step=7)`, or `run.log({"val/loss": 0.4})`.

        Without a step it is the one after the last. A value is whatever `float` takes.
        """
        step = self._step + 1 if step is None else step
        try:
            told = points(self._clock(), step, {**values, **named} if values else named)
        except Exception:  # noqa: BLE001 - whatever a value is, the training goes on; each one is told below
            kept = self._numbers({**(values or {}), **named})
            step = step if isinstance(step, int) else self._step + 1
            told = points(self._clock(), step, kept) if kept else b""
        if told:
            self._step = step
            self._spool.append(told)

    def params(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> Mapping[str, Any]:
        """Tell parameters; a parameter does not change. Returns `config`."""
        given = {**(values or {}), **named}
        effective = {str(name): self._changed.get(str(name), value) for name, value in given.items()}
        self._config.update(effective)
        self._tell("params", {name: _text(value) for name, value in effective.items()})
        return self.config

    def param(self, name: str, value: Any) -> Any:
        """Tell one parameter; returns the value that holds."""
        return self.params({name: value})[name]

    def tags(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Tell tags; the last value of a tag holds."""
        self._tell("tags", {str(name): _text(value) for name, value in {**(values or {}), **named}.items()})

    def tag(self, name: str, value: Any) -> None:
        """Tell one tag."""
        self.tags({name: value})

    def log_file(self, source: str | os.PathLike[str], to: str = "") -> None:
        """Keep a file, or all files of a folder, as they are now; `to` is the path among the run's files."""
        origin = Path(source)

        def keep() -> None:
            if origin.is_dir():
                for file in sorted(found for found in origin.rglob("*") if found.is_file()):
                    files.keep_file(self._spool.folder, file, files.inside(f"{to or origin.name}/{file.relative_to(origin).as_posix()}"))
            else:
                files.keep_file(self._spool.folder, origin, files.inside(to or origin.name))

        self._keeping(f"the file {origin}", keep)

    def log_text(self, text: str, to: str) -> None:
        """Keep a text as a file of the run."""
        self.keep(text.encode("utf-8", "replace"), to)

    def log_dict(self, content: Any, to: str) -> None:
        """Keep plain values as a JSON file of the run."""
        self._keeping(to, lambda: self.keep(json.dumps(content, indent=2, default=str, ensure_ascii=False).encode(), to))

    def log_figure(self, figure: Any, to: str) -> None:
        """Keep a figure (Matplotlib, Plotly, Altair, a Pillow image) in the format that the name ends in."""
        self._keeping(to, lambda: self.keep(figures.drawn(figure, to), to))

    def child(self, name: str = "", *, params: Mapping[str, Any] | None = None, tags: Mapping[str, Any] | None = None) -> Run:
        """Begin a run inside this one."""
        made = self.begin_child(name or f"{self.name}-{uuid.uuid4().hex[:6]}")
        made._begin(params, tags)
        return made

    def begin_child(self, name: str, *, clock: Callable[[], int] | None = None) -> Run:
        """Begin a run inside this one, whose clock may be the past's."""
        return Run(
            name,
            experiment=self._experiment,
            where=self._place,
            parent=self,
            capture=False,
            system_every_s=0,
            clock=clock or self._clock,
        )

    def at_end(self, last: Callable[[], None]) -> None:
        """Have something told when the run ends."""
        self._last.append(last)

    def flush(self, timeout_s: float = EXIT_S) -> bool:
        """Wait until all that was told is with the server; False when it is not, for whatever reason."""
        return self._sender is not None and self._pid == os.getpid() and self._sender.flush(timeout_s)

    def end(self, status: str = FINISHED, *, error: BaseException | None = None) -> None:
        """End the run: FINISHED, FAILED or KILLED. Waits at most two seconds for the server; ending twice is ending once."""
        if self._ended or self._pid != os.getpid():
            return
        for last in self._last:
            guarded(last, None)()
        if self._companion is not None:
            self._companion.end()
        self._ended = True
        if error is not None and status != FINISHED:
            self.tags(_fault(error))
        if self._spool.dropped:
            self.tag("noria.dropped", self._spool.dropped)
        self._tell("end", status)
        self._spool.close(ended=True)
        if self._sender is not None:
            self._sender.ended(self._spool)
            if self.depth == 0 and not self._sender.flush(EXIT_S):
                self._say_what_is_left(self._sender.reason)
        elif not self._place.offline:
            self._say_what_is_left("no server is known: set NORIA_URL, or work in a Noria's folder")

    def __enter__(self) -> Run:
        self._entered.append(_current.set(self))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(ValueError):
            _current.reset(self._entered.pop())
        self.end(ending.status_of(error), error=error)

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process the run is the same run, to be written to and not to be ended."""
        return _joined, (self.id, self.name, self._experiment, self._place)

    def _begin(self, params: Mapping[str, Any] | None, tags: Mapping[str, Any] | None) -> None:
        if params or self._changed:
            self.params({**self._changed, **(params or {})})
        if tags:
            self.tags(tags)
        if self.depth == 0 and os.environ.get("NORIA_CLONE_OF"):
            self.tag("noria.clone_of", os.environ["NORIA_CLONE_OF"])

    def _accompanied(self, capture: bool, every_s: float) -> Companion | None:
        origin = captured.origin() if capture else None
        if origin is not None:
            self.tags(origin.tags())
        if origin is None and every_s <= 0:
            return None
        return Companion(tag=self._captured, keep=self._kept, measure=self._measured, origin=origin, every_s=every_s)

    def _captured(self, tags: Mapping[str, str]) -> None:
        if tags and not self._ended:
            self.tags(tags)

    def _kept(self, content: bytes, to: str) -> None:
        if not self._ended:
            self.keep(content, to)

    def _measured(self, values: Mapping[str, float], step: int) -> None:
        if values and not self._ended:
            self._spool.append(points(self._clock(), step, values))

    def _tell(self, kind: str, content: Any) -> None:
        self._spool.append(entry(self._clock(), kind, content))

    def keep(self, content: bytes, to: str) -> None:
        """Keep bytes as a file of the run."""
        self._keeping(to, lambda: files.keep_bytes(self._spool.folder, content, files.inside(to)))

    def _keeping(self, what: str, keep: Callable[[], None]) -> None:
        try:
            keep()
        except Exception as error:  # noqa: BLE001 - recorded; a file that cannot be kept ends no training
            log.warning("%s is not kept with the run: %s", what, error)

    def _numbers(self, values: Mapping[str, Any]) -> dict[str, float]:
        found = {}
        for name, value in values.items():
            try:
                found[str(name)] = as_float(value)
            except Exception as error:  # noqa: BLE001 - `float` runs a foreign type's code
                if name not in self._complained:
                    self._complained.add(name)
                    log.warning("the metric %s is not told: %s", name, error)
        return found

    def _say_what_is_left(self, reason: str) -> None:
        if self._spool.folder.exists():
            log.warning(
                "run %s (%s) is not with the server yet%s; it lies in %s, and `noria sync` sends it",
                self.name,
                self.id,
                f": {reason}" if reason else "",
                self._spool.folder,
            )


class _Joined(Run):
    """A run of another process, as this one writes to it."""

    def __init__(self, id: str, name: str, experiment: str, where: place.Place) -> None:
        self.id, self.name, self.depth = id, name, 1
        self._experiment, self._place, self._clock = experiment, where, wall_ms
        self._ended, self._pid, self._step = False, os.getpid(), -1
        self._entered, self._complained, self._last, self._config, self._changed = [], set(), [], {}, {}
        self._spool, self._sender, self._companion = Spool(where.shelf / id), None, None


def _joined(id: str, name: str, experiment: str, where: place.Place) -> Run:
    return _Joined(id, name, experiment, where)


def current() -> Run | None:
    """The innermost run whose block this code is in."""
    return _current.get()


def _changed_params() -> dict[str, Any]:
    """Parameters that `noria runs clone --set` changed."""
    try:
        told = json.loads(os.environ.get("NORIA_PARAMS") or "{}")
        return dict(told)
    except (ValueError, TypeError) as error:
        log.warning("NORIA_PARAMS is not read: %s", error)
        return {}


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - `str` runs a foreign type's code
        return f"<{type(value).__name__}: {error}>"


def _fault(error: BaseException) -> dict[str, str]:
    told = "".join(traceback.format_exception(error))
    return {"noria.error": traceback.format_exception_only(error)[-1].strip()[:500], "noria.traceback": told[-TRACEBACK_LIMIT:]}
