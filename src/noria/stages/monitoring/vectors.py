"""What vectors of the reference look like, and the archive that it is kept as."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from noria.core.joint import ChunkLimit

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
