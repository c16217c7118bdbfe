"""Charts by address: reads what a chart needs, draws it, and answers with its spec or its picture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from noria.core.errors import NotFound
from noria.core.performance import MaturityCurve
from noria.core.rights import Right
from noria.core.turning import Rollout, RolloutPhase
from noria.drawing.charts.drift import drift_chart
from noria.drawing.charts.explaining import parts_chart
from noria.drawing.charts.guards import guards_chart
from noria.drawing.charts.maturity import maturity_chart
from noria.drawing.charts.quality import Mark, Reign, quality_chart
from noria.drawing.charts.readings import readings_chart
from noria.drawing.charts.traffic import traffic_chart
from noria.drawing.charts.tuning import tuning_chart
from noria.drawing.convert import bundle_path, png
from noria.drawing.theme import Chart, nothing_yet, printed
from noria.server.page.evidence import evidence
from noria.server.page.scorecard import Cards
from noria.server.reads import Reads
from noria.server.rights import needs
from noria.server.services import Services

DAYS_SHOWN = 370
QUARTER_DAYS_SHOWN = 1_000


class Drawings:
    """Every chart of the pages by name; each takes the query of its address."""

    def __init__(self, reads: Reads, services: Services) -> None:
        self._reads = reads
        self._services = services
        self._named: Mapping[str, Callable[[Mapping[str, str]], Chart]] = {
            "quality": self._quality,
            "traffic": self._traffic,
            "drift": self._drift,
            "guards": self._guards,
            "tuning": self._tuning,
            "readings": self._readings,
            "maturity": self._maturity,
            "parts": self._parts,
            "examination": self._examination,
        }

    def draw(self, name: str, query: Mapping[str, str]) -> Chart:
        """Draw one chart.

        Raises:
            NotFound: no chart has the name, or the query does not name a thing that is there.
        """
        if name not in self._named:
            raise NotFound(f"there is no chart {name[:100]!r}", fix=f"the charts are {', '.join(self._named)}")
        return self._named[name](query)

    def _quality(self, query: Mapping[str, str]) -> Chart:
        loop = self._reads.loop(query.get("loop", ""))
        metric = loop.quality_metric or "quality"
        readings = self._reads.readings(loop.name, "quality", loop.quality_metric, limit=DAYS_SHOWN)
        estimates = self._reads.readings(loop.name, "estimated-quality", loop.quality_metric, limit=DAYS_SHOWN)
        incidents = self._reads.incidents(loop.name, limit=40)
        marks, reigns = self._marks(loop.name), self._reigns(loop.name, metric)
        return quality_chart(metric, readings, marks=marks, reigns=reigns, incidents=incidents, estimates=estimates)

    def _examination(self, query: Mapping[str, str]) -> Chart:
        return Cards(self._reads, self._services).figure(query.get("turn", ""), query.get("figure", ""))

    def _marks(self, loop: str) -> list[Mark]:
        moves = [m for m in self._reads.alias_moves(loop) if m.alias == "champion" and m.after is not None]
        promoted = [Mark(at=m.at, kind="promoted", label=f"v{m.after}") for m in moves]
        ended = [r for r in self._reads.rollouts(loop) if r.phase is RolloutPhase.ROLLED_BACK and r.ended_at]
        return promoted + [Mark(at=r.ended_at, kind="rolled-back", label=f"v{r.challenger} rolled back") for r in ended if r.ended_at]

    def _reigns(self, loop: str, metric: str) -> list[Reign]:
        marks = {v.number: v.scorecard.metrics[metric].value for v in self._reads.versions(loop) if metric in v.scorecard.metrics}
        moves = sorted((m for m in self._reads.alias_moves(loop) if m.alias == "champion"), key=lambda m: m.at)
        ends = [m.at for m in moves[1:]] + [self._services.clock.now()]
        pairs = zip(moves, ends, strict=False)
        return [
            Reign(start=m.at, end=end, value=marks[m.after], version=m.after)
            for m, end in pairs
            if m.after in marks and m.after is not None
        ]

    def _traffic(self, query: Mapping[str, str]) -> Chart:
        return traffic_chart(self._reads.traffic(self._reads.named(query.get("loop", "")), limit=QUARTER_DAYS_SHOWN))

    def _drift(self, query: Mapping[str, str]) -> Chart:
        loop = self._reads.loop(query.get("loop", "")).name
        subjects = [m.subject for m in self._reads.monitors(loop) if m.monitor == "drift"]
        return drift_chart({s: self._reads.readings(loop, "drift", s, limit=DAYS_SHOWN) for s in subjects})

    def _guards(self, query: Mapping[str, str]) -> Chart:
        rollout = self._reads.get(Rollout, query.get("rollout", ""))
        if rollout is None:
            raise NotFound(f"there is no rollout {query.get('rollout', '')[:100]!r}", fix="the loop's deployment page shows its rollouts")
        return guards_chart(rollout.looks)

    def _tuning(self, query: Mapping[str, str]) -> Chart:
        turn = query.get("turn", "")
        recipe = evidence(self._reads.version_of_turn(turn), self._reads.steps(turn)).recipe
        return tuning_chart(recipe) if recipe else nothing_yet("The trials appear here when the tuner has tried.")

    def _maturity(self, query: Mapping[str, str]) -> Chart:
        loop = self._reads.loop(query.get("loop", "")).name
        curve = self._reads.get(MaturityCurve, loop)
        return maturity_chart(curve) if curve else nothing_yet("How soon outcomes come appears here where `nr.labels()` watches it.")

    def _readings(self, query: Mapping[str, str]) -> Chart:
        loop = self._reads.loop(query.get("loop", "")).name
        return readings_chart(self._reads.readings(loop, query.get("monitor", ""), query.get("subject", ""), limit=120))

    def _parts(self, query: Mapping[str, str]) -> Chart:
        loop = self._reads.loop(query.get("loop", "")).name
        return parts_chart(self._services.explain(loop, query.get("request", "")).explanation)


def drawing_router(services: Services, drawings: Drawings) -> APIRouter:
    """`/charts/<name>.json` and `.png`, and the Vega bundle that draws them in the browser."""
    router = APIRouter(include_in_schema=False, dependencies=[needs(Right.VIEW)])

    @router.get("/charts/{name}.json")
    def spec(name: str, request: Request) -> Response:
        drawn = drawings.draw(name, request.query_params)
        body = json.dumps({"spec": drawn.spec, "text": drawn.text}, separators=(",", ":")).encode()
        headers = {"etag": f'"{hashlib.sha256(body).hexdigest()[:24]}"', "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    @router.get("/charts/{name}.png")
    def picture(name: str, request: Request) -> Response:
        drawn = drawings.draw(name, request.query_params)
        if not drawn.spec:
            return JSONResponse({"text": drawn.text}, status_code=404)
        return Response(png(printed(drawn.spec)), media_type="image/png", headers={"cache-control": "max-age=30"})

    @router.get("/static/vega.js")
    def vega() -> FileResponse:
        keep = {"cache-control": "public, max-age=31536000, immutable"}
        return FileResponse(bundle_path(services.home), media_type="text/javascript", headers=keep)

    return router
