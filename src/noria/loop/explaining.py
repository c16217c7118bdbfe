"""Opens one logged request: why it was answered so, and what would have changed the answer."""

from __future__ import annotations

import json

import numpy as np
import polars as pl

from noria.core.errors import NotAllowed, NotFound
from noria.core.explaining import Counterfactual, ExplainedRequest, Explanation, Search
from noria.core.registry import ModelVersion
from noria.core.schema import Signature, Task
from noria.core.traffic import Family, Scalar
from noria.loop.examined import examination_of
from noria.loop.explained import background_of
from noria.loop.monitors.span import feature_frame
from noria.loop.world import World
from noria.packaging import package
from noria.packaging.encoding import encode
from noria.packaging.manifest import GRAPH, verified
from noria.packaging.scorer import Scorer
from noria.ports import wire
from noria.stages.evaluation.counterfactuals import counterfactuals
from noria.stages.evaluation.explanations import Explained, asking, explain, told
from noria.stages.registry import versions
from noria.stages.serving import log

ROLES = ("champion", "challenger", "fallback", "asked", "shadow")
HALF = 0.5
AGAINST_ROWS = 100
AGAINST_BUDGET = 1_000


def explain_request(world: World, loop: str, request_id: str, *, search: Search | None = None) -> ExplainedRequest:
    """Explain one answer from the log, by the version that gave it.

    Args:
        search: Look for counterfactuals too.

    Raises:
        NotFound: no such request in the log, or a version from before examinations were kept.
        NotAllowed: a graph answered; the message says what each of its members did.
    """
    row = _row(world, loop, request_id)
    version = versions.get(world.records, loop, int(row["version"][0]))
    signature = version.candidate.signature
    if version.candidate.format == GRAPH:
        raise _of_graph(loop, row)
    scorer = package.load(_artifact(world, version, row), blobs=world.blobs, form="native")
    digest, X, raw = _background(world, version)
    asked = encode(feature_frame(row, signature), signature.features)
    place = _place(row, signature)
    found = explain(scorer, asked, X, place=place)
    answer = float(asking(scorer, place)(asked)[0])
    explanation = told(found, 0, asked[0], signature, answer, version=f"{loop}@{version.number}", background=digest, place=place)
    return ExplainedRequest(
        request_id=request_id,
        loop=loop,
        role=str(row["role"][0]),
        time=row["time"][0],
        inputs=_inputs(row),
        outcome=_outcome(world, loop, row),
        label=explanation.subject if signature.task is Task.MULTICLASS else _label(signature, answer),
        explanation=explanation,
        against=_against(scorer, X, place, signature),
        kept=_kept(world, loop, request_id),
        counterfactuals=() if search is None else tuple(_others(scorer, asked[0], X, raw, signature, place, answer, search)),
    )


def _row(world: World, loop: str, request_id: str) -> pl.DataFrame:
    rows = log.find(world.log_folder, loop, request_id).filter(pl.col("error") == "")
    if rows.is_empty():
        raise NotFound(
            f"{loop} has no answered request {request_id[:100]!r} in its log",
            fix="the log takes a request in within seconds; one that was sampled out is not kept",
        )
    order = pl.col("role").replace_strict({role: place for place, role in enumerate(ROLES)}, default=len(ROLES))
    return rows.sort(order).head(1)


def _of_graph(loop: str, row: pl.DataFrame) -> NotAllowed:
    """What the members of a graph said to a request, as the reason why nothing more can be told of the graph itself."""
    said = json.loads(str(row["members"][0] or "{}")) if "members" in row.columns else {}
    told = "; ".join(
        f"{member}: {one['error']}" if "error" in one else f"{member} v{one['version']} ({one['role']}) said {one['prediction']}"
        for member, one in said.items()
    )
    first = next(iter(said), "MEMBER")
    return NotAllowed(
        f"v{row['version'][0]} of {loop} is a graph and has no reasons of its own. It answered from its members: {told}",
        fix=f"`noria explain {first} {row['request_id'][0]}` gives a member's reasons, under the same id",
    )


def _artifact(world: World, version: ModelVersion, row: pl.DataFrame) -> str:
    """The model that answered: of a family, the member that the log names, else the parent."""
    member = str(row["member"][0] or "") if version.family and "member" in row.columns else ""
    if not member:
        return version.candidate.artifact
    return wire.load(verified(version.family, blobs=world.blobs), Family).members.get(member, version.candidate.artifact)


def _kept(world: World, loop: str, request_id: str) -> Explanation | None:
    told = log.explanation(world.log_folder, loop, request_id)
    return None if told is None else wire.load(told, Explanation)


def _background(world: World, version: ModelVersion) -> tuple[str, np.ndarray, pl.DataFrame]:
    examination = examination_of(version.scorecard, world.blobs)
    if examination is None or examination.explained is None:
        why = examination.untold.get("explained", "") if examination else ""
        raise NotFound(
            f"{version.model}@{version.number} kept no rows to explain an answer against" + (f": {why}" if why else ""),
            fix="versions of newer turns keep them; `noria turn` makes one",
        )
    kept = examination.explained.background
    X, raw = background_of(kept, world.blobs, version.candidate.signature.features)
    return kept, X, raw


def _place(row: pl.DataFrame, signature: Signature) -> int:
    """Of many classes: the one that was answered."""
    return int(np.argmax(row["answers"][0].to_list())) if signature.task is Task.MULTICLASS else 0


def _label(signature: Signature, answer: float) -> str:
    if signature.task is not Task.BINARY or len(signature.classes) < 2:
        return ""
    return signature.classes[answer >= signature.threshold]


def _inputs(row: pl.DataFrame) -> dict[str, Scalar]:
    names = [name for name in row.columns if name.startswith("in:")]
    return {name.removeprefix("in:"): _plain(row[name][0]) for name in names}


def _plain(value: object) -> Scalar:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _outcome(world: World, loop: str, row: pl.DataFrame) -> Scalar:
    known = log.outcomes(world.log_folder, loop, since=row["time"][0]).filter(pl.col("request_id") == row["request_id"][0])
    return _plain(known["value"][0]) if known.height else None


def _against(scorer: Scorer, X: np.ndarray, place: int, signature: Signature) -> dict[str, float]:
    """Each feature's mean part over the background; 0 by construction where parts are relative to it already."""
    if scorer.explained_by != "tree-shap":
        return dict.fromkeys((feature.name for feature in signature.features), 0.0)
    parts: Explained = explain(scorer, X[:AGAINST_ROWS], X, place=place, budget=AGAINST_BUDGET)
    return {feature.name: float(part) for feature, part in zip(signature.features, parts.parts.mean(axis=0), strict=True)}


def _others(
    scorer: Scorer, asked: np.ndarray, X: np.ndarray, raw: pl.DataFrame, signature: Signature, place: int, answer: float, search: Search
) -> list[Counterfactual]:
    target = search.target
    if target is None and signature.task.numeric:
        target = float(raw["__score"].median())  # type: ignore[arg-type]
    elif target is None:
        target = signature.threshold if signature.task is Task.BINARY else HALF
    up = answer < target if search.up is None else search.up
    return counterfactuals(
        asking(scorer, place), asked, X, signature.features, target=target, up=up, constraints=search.constraints, count=search.count
    )
