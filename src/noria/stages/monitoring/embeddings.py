"""Drift of vectors, whatever they stand for: texts, images, users. Four readings, from cheap to telling.

- *centroid*: how far the mean has moved, in units of how far vectors lie from it;
- *mmd*: the maximum mean discrepancy, which sees any change of shape;
- *domain*: how well a classifier on 32 principal components tells new from old;
- *clusters*: which of twenty clusters of the reference grew or shrank, with examples.

Each has a floor, what chance does to so many vectors, and what chunks of the reference show.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from io import BytesIO
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans

from noria.core.joint import ChunkLimit
from noria.core.watching import Level, Reading
from noria.stages.monitoring import domain, mmd
from noria.stages.monitoring.chunk_limits import chunk_limit
from noria.stages.monitoring.reference import chunks_of, usual_chunks
from noria.stages.monitoring.stability import chance_limit, debiased_psi

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

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VectorReference:
    """What vectors of the reference look like; bounded, whatever their number.

    Attributes:
        mean: Shape (width,).
        variance: Mean squared distance from it: the trace of the covariance.
        trace2: Trace of the squared covariance, which says how much the centroid of so many vectors varies.
        components: Principal components, shape (at most 32, width), and `scales`, their standard deviations.
        centres: Of the clusters, shape (clusters, width), and `counts`, how many vectors of the reference each has.
        sample: Vectors of the reference, shape (at most 1,000, width).
        gamma: Width of the kernel.
        limits: Reading to its limit over chunks of the reference.
        examples: Of each cluster, what the vectors nearest to its centre stand for; () = it was not told.
    """

    mean: Array
    variance: float
    trace2: float
    components: Array
    scales: Array
    centres: Array
    counts: NDArray[np.int64]
    sample: Array
    gamma: float
    limits: dict[str, ChunkLimit]
    examples: tuple[tuple[str, ...], ...] = ()


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


def packed(reference: VectorReference) -> bytes:
    """The reference as a NumPy archive of plain arrays, which runs no code when it is read."""
    file = BytesIO()
    rest = {"limits": {name: asdict(limit) for name, limit in reference.limits.items()}, "examples": reference.examples}
    numbers = np.array([reference.variance, reference.trace2, reference.gamma])
    text = np.frombuffer(json.dumps(rest).encode(), dtype=np.uint8)
    arrays = {name: getattr(reference, name).astype(np.float32) for name in ("components", "centres", "sample")}
    np.savez_compressed(file, mean=reference.mean, scales=reference.scales, counts=reference.counts, numbers=numbers, text=text, **arrays)
    return file.getvalue()


def unpacked(content: bytes) -> VectorReference:
    """What `packed` wrote."""
    with np.load(BytesIO(content), allow_pickle=False) as held:
        rest = json.loads(held["text"].tobytes())
        variance, trace2, gamma = (float(one) for one in held["numbers"])
        return VectorReference(
            mean=held["mean"],
            variance=variance,
            trace2=trace2,
            components=held["components"].astype(np.float64),
            scales=held["scales"],
            centres=held["centres"].astype(np.float64),
            counts=held["counts"],
            sample=held["sample"].astype(np.float64),
            gamma=gamma,
            limits={name: ChunkLimit(**limit) for name, limit in rest["limits"].items()},
            examples=tuple(tuple(texts) for texts in rest["examples"]),
        )


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
    places = np.flatnonzero(usual_chunks(chunks))
    chosen = places[np.unique(np.linspace(0, max(len(places) - 1, 0), min(len(places), CALIBRATED_CHUNKS)).round().astype(int))]
    labels = clusters_of(known, X)
    found: dict[str, list[float]] = {CENTROID: [], MMD: [], CLUSTERS: []}
    told: list[domain.Separation] = []
    for one in chosen if len(places) else ():
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
    enough = value == value
    breach = enough and value > limit
    return Reading(
        loop=loop,
        monitor=monitor,
        subject=subject,
        time=at,
        value=value,
        threshold=limit,
        level=Level.BREACH if breach else Level.OK if enough else Level.NOT_ENOUGH,
        rows=rows,
        effect=(value - least) / (limit - least) - 1 if enough else 0.0,
        note=note if breach or not enough else "",
    )
