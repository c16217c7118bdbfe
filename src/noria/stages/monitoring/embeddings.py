"""Drift of vectors, whatever they stand for: texts, images, users. Four readings, from cheap to telling.

- *centroid*: how far the mean has moved, in units of how far vectors lie from it;
- *mmd*: the maximum mean discrepancy, which sees any change of shape;
- *domain*: how well a classifier on 32 principal components tells new from old;
- *clusters*: which of twenty clusters of the reference grew or shrank, with examples.

Each has a floor, what chance does to so many vectors, and what chunks of the reference show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans

from noria.core.joint import ChunkLimit
from noria.core.watching import Reading
from noria.stages.monitoring import domain, mmd
from noria.stages.monitoring.chunk_limits import chunk_limit, spread_over
from noria.stages.monitoring.reading import against
from noria.stages.monitoring.reference import chunks_of, usual_chunks
from noria.stages.monitoring.stability import chance_limit, debiased_psi
from noria.stages.monitoring.vectors import Array, VectorReference

MONITOR = "embedding-drift"
CENTROID, MMD, DOMAIN, CLUSTERS = "centroid", "mmd", "domain", "clusters"

CENTROID_FLOOR, MMD_FLOOR, CLUSTER_FLOOR = 0.004, 0.001, 0.1
"""Values below which a change is too small to matter."""

COMPONENTS = 32
CLUSTERS_MOST = 20
SAMPLE_ROWS = 1_000
CALIBRATED_CHUNKS = 30
"""Chunks of the reference that the costlier readings are calibrated on."""

STRUCTURE = 1 / 3
"""Share of the reference that components and clusters are learnt from. The rest is what new vectors are held against:
directions fit the rows that they were learnt from too well, and any new row would look different."""

UNKNOWN = ChunkLimit(usual=float("nan"), spread=float("nan"), limit=float("inf"), chunks=0)
"""Nothing was calibrated."""

EXAMPLES = 3
EXAMPLE_LENGTH = 120


def build(
    vectors: ArrayLike,
    *,
    times: ArrayLike | None = None,
    chunk: timedelta = timedelta(days=1),
    texts: Sequence[str] | None = None,
    seed: int = 0,
) -> VectorReference:
    """Describe the vectors of the reference.

    Args:
        vectors: Shape (rows, width), finite.
        times: Moments of the rows; None = no chunks, so that chance alone sets the limits.
        chunk: Length of a chunk in event time, as the monitor will look.
        texts: What each vector stands for, to show examples of clusters.
    """
    whole = np.asarray(vectors, dtype=np.float64)
    random = np.random.default_rng(seed)
    learns = np.zeros(len(whole), dtype=np.bool_)
    learns[random.permutation(len(whole))[: max(2, round(STRUCTURE * len(whole)))]] = True
    components, centres = _structure(whole[learns], seed)
    X = whole[~learns]
    mean = X.mean(axis=0)
    values = np.square(np.linalg.svd(X - mean, compute_uv=False)) / len(X)
    scores = (X - mean) @ components.T
    known = VectorReference(
        mean=mean,
        variance=float(values.sum()),
        trace2=float(np.square(values).sum()),
        components=components,
        scales=np.maximum(scores.std(axis=0), np.finfo(np.float64).tiny),
        centres=centres,
        counts=np.zeros(len(centres), dtype=np.int64),
        sample=_some(X, SAMPLE_ROWS, seed),
        gamma=mmd.median_gamma(X, seed=seed),
        limits={},
    )
    labels = clusters_of(known, X)
    told = [text for text, learnt in zip(texts, learns, strict=True) if not learnt] if texts is not None else None
    known = replace(
        known,
        counts=np.bincount(labels, minlength=len(centres)).astype(np.int64),
        examples=_examples(X, labels, centres, told) if told is not None else (),
    )
    if times is None:
        return known
    return replace(known, limits=_limits(X, known, chunks_of(np.asarray(times)[~learns], chunk), random))


def measure(
    reference: VectorReference,
    vectors: ArrayLike,
    *,
    loop: str,
    at: datetime,
    name: str = "",
    min_rows: int = 250,
    texts: Sequence[str] | None = None,
    monitor: str = MONITOR,
) -> list[Reading]:
    """Read the four drifts of one chunk of vectors.

    Args:
        name: Stands before each reading's name, as "review/clusters".
        texts: What each vector stands for: examples of a cluster that grew are taken from them.
    """
    X = np.asarray(vectors, dtype=np.float64)
    place = f"{name}/" if name else ""
    reading = partial(_reading, loop=loop, at=at, rows=len(X), monitor=monitor)
    if len(X) < max(min_rows, domain.FOLDS):
        note = f"{len(X):,} rows; {min_rows:,} are needed"
        return [reading(place + subject, float("nan"), float("nan"), note) for subject in (CENTROID, MMD, DOMAIN, CLUSTERS)]
    return [
        reading(place + CENTROID, *_centroid(reference, X)),
        reading(place + MMD, *_mmd(reference, X)),
        reading(place + DOMAIN, *_domain(reference, X), least=0.5),
        reading(place + CLUSTERS, *_clusters(reference, X, texts)),
    ]


def centroid_shift(reference: VectorReference, vectors: Array) -> float:
    """Squared distance of the means over the reference's variance, less what chance gives it: 0 on average when nothing moves."""
    moved = float(np.square(vectors.mean(axis=0) - reference.mean).sum())
    return moved / reference.variance - _means(reference, len(vectors)) if reference.variance > 0 else 0.0


def _means(reference: VectorReference, rows: int) -> float:
    """How much the distance of two means varies, in units of the variance of one vector."""
    return 1 / rows + 1 / int(reference.counts.sum())


def cosine_distance(left: Array, right: Array) -> float:
    """1 − the cosine of the angle between two vectors; 0 when one has no length."""
    length = float(np.linalg.norm(left) * np.linalg.norm(right))
    return 1 - float(left @ right) / length if length > 0 else 0.0


def clusters_of(reference: VectorReference, vectors: Array) -> NDArray[np.intp]:
    """The nearest cluster of each vector, shape (rows,)."""
    squares = np.square(reference.centres).sum(axis=1) - 2 * vectors @ reference.centres.T
    return squares.argmin(axis=1)


def _structure(X: Array, seed: int) -> tuple[Array, Array]:
    """Principal components and centres of clusters."""
    _, spread, directions = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    kept = spread[:COMPONENTS] > spread.max(initial=0.0) * 1e-6
    clusters = max(1, min(CLUSTERS_MOST, len(X) // 25, len(np.unique(X, axis=0))))
    found = KMeans(n_clusters=clusters, n_init=2, random_state=seed).fit(X)
    return directions[:COMPONENTS][kept], np.asarray(found.cluster_centers_, dtype=np.float64)


def _known(reference: VectorReference, subject: str) -> float:
    return reference.limits.get(subject, UNKNOWN).known


def _centroid(reference: VectorReference, X: Array) -> tuple[float, float, str]:
    shift = centroid_shift(reference, X)
    chance = 3 * sqrt(2 * reference.trace2) / reference.variance * _means(reference, len(X)) if reference.variance > 0 else 0.0
    turned = cosine_distance(X.mean(axis=0), reference.mean)
    note = f"the mean moved by {sqrt(max(shift, 0)):.2f} of the usual distance from it (cosine distance {turned:.3f})"
    return shift, max(CENTROID_FLOOR, chance, _known(reference, CENTROID)), note


def _mmd(reference: VectorReference, X: Array) -> tuple[float, float, str]:
    found = mmd.permuted(reference.sample, X, reference.gamma)
    return found.value, max(MMD_FLOOR, found.chance, _known(reference, MMD)), f"maximum mean discrepancy {found.value:.4f}, p {found.p:.3f}"


def _domain(reference: VectorReference, X: Array) -> tuple[float, float, str]:
    told = domain.separate(_scores(reference, reference.sample), _scores(reference, _some(X, SAMPLE_ROWS)))
    note = f"a classifier tells new from old with AUC {told.auc:.3f}"
    known = reference.limits.get(DOMAIN, UNKNOWN)
    return told.auc, domain.limit(len(reference.sample), min(len(X), SAMPLE_ROWS), known), note


def _clusters(reference: VectorReference, X: Array, texts: Sequence[str] | None) -> tuple[float, float, str]:
    labels = clusters_of(reference, X)
    counts = np.bincount(labels, minlength=len(reference.counts))
    value = float(debiased_psi(reference.counts, counts))
    limit = max(CLUSTER_FLOOR, chance_limit(reference.counts, len(X)), _known(reference, CLUSTERS))
    before, now = reference.counts / reference.counts.sum(), counts / len(X)
    most = int(np.argmax(np.abs(now - before)))
    note = f"cluster {most + 1} {'grew' if now[most] > before[most] else 'shrank'} from {before[most]:.0%} to {now[most]:.0%}"
    shown = _examples(X, labels, reference.centres, texts)[most] if texts is not None and now[most] > before[most] else ()
    shown = shown or (reference.examples[most] if reference.examples else ())
    return value, limit, note + (f": {'; '.join(repr(text) for text in shown)}" if shown else "")


def _scores(reference: VectorReference, X: Array) -> domain.Design:
    return domain.of_matrix((X - reference.mean) @ reference.components.T / reference.scales)


def _some(X: Array, most: int, seed: int = 0) -> Array:
    return X if len(X) <= most else X[np.sort(np.random.default_rng(seed).permutation(len(X))[:most])]


def _limits(X: Array, known: VectorReference, chunks: NDArray[np.intp], random: np.random.Generator) -> dict[str, ChunkLimit]:
    """Each reading of usual chunks of the reference against the rest of it."""
    labels = clusters_of(known, X)
    found: dict[str, list[float]] = {CENTROID: [], MMD: [], CLUSTERS: []}
    told: list[domain.Separation] = []
    for one in spread_over(usual_chunks(chunks), CALIBRATED_CHUNKS):
        inside, outside = np.flatnonzero(chunks == one), np.flatnonzero(chunks != one)
        if not len(outside):
            continue
        own, others = X[inside], X[random.permutation(outside)[:SAMPLE_ROWS]]
        counts = np.bincount(labels[inside], minlength=len(known.counts))
        found[CENTROID].append(centroid_shift(known, own))
        found[MMD].append(mmd.mmd2(_some(others, mmd.MOST_POINTS), _some(own, mmd.MOST_POINTS), known.gamma))
        told.append(domain.separate(_scores(known, others), _scores(known, _some(own, SAMPLE_ROWS))))
        found[CLUSTERS].append(float(debiased_psi(known.counts - counts, counts)))
    return {**{subject: chunk_limit(values) for subject, values in found.items()}, DOMAIN: domain.calibrated(told)}


def _examples(X: Array, labels: NDArray[np.intp], centres: Array, texts: Sequence[str] | None) -> tuple[tuple[str, ...], ...]:
    """What the vectors nearest to each centre stand for, each text once."""
    found = []
    for cluster, centre in enumerate(centres):
        members = np.flatnonzero(labels == cluster)
        nearest = members[np.argsort(np.square(X[members] - centre).sum(axis=1), kind="stable")[: 4 * EXAMPLES]]
        said = dict.fromkeys(_short(str(texts[place])) for place in nearest) if texts is not None else {}
        found.append(tuple(said)[:EXAMPLES])
    return tuple(found)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= EXAMPLE_LENGTH else line[: EXAMPLE_LENGTH - 1] + "…"


def _reading(
    subject: str, value: float, limit: float, note: str, *, loop: str, at: datetime, rows: int, monitor: str, least: float = 0.0
) -> Reading:
    return against(monitor, subject, value, limit, rows, loop=loop, at=at, enough=value == value, note=note, least=least)
