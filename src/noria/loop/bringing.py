"""Models that somebody brings: packaged, and asked whether they answer as they should, before they are anybody's version."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import numpy as np

from noria.core.errors import ArtifactRejected, NoriaError
from noria.core.schema import Signature
from noria.core.traffic import Family
from noria.loop.world import World
from noria.packaging import package
from noria.packaging.package import Packed
from noria.packaging.parity import alike, fit_signature
from noria.packaging.python_zip import FORMAT as PYTHON
from noria.ports import wire

TOGETHER = 100
"""Deployments of one commit, where many are made."""
AT_ONCE = 8
"""Packages that are written at once, where many are: each waits for the disk most of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A model to be deployed under a name.

    Attributes:
        model: Anything that `packaging.package.save` takes: a fitted model, or the bytes of its file.
        sample: Example rows as the model's matrix, float64, shape (n, features); none are needed, but without
            them nothing can be compared.
        origin: Where the model came from: a file's name, or `LOOP@3`.
        answers: What the model answered to `sample` where it was made, where that is known: it must do so here.
        pinned: Whether the model stays loaded, however many others there are; None = as before.
        by: Of a family: the request field that names the partition.
        members: Of a family: partition to the model that answers its rows; the model itself answers all others.
    """

    name: str
    model: object
    signature: Signature
    sample: np.ndarray
    origin: str
    answers: np.ndarray | None = None
    pinned: bool | None = None
    by: str = ""
    members: Mapping[str, Order] = field(default_factory=dict)


def packaged(order: Order, world: World) -> Packed:
    """The order's model as a package that was asked what can be asked.

    Raises:
        ArtifactRejected: it may not be opened, fails, or does not answer as it was told to.
    """
    sample = order.sample
    packed = package.save(order.model, order.signature, sample, blobs=world.blobs, scratch=world.scratch)
    if not len(sample) and packed.format != PYTHON:
        _answers_at_all(packed.artifact, order.signature, world)
    elif len(sample) and order.answers is not None:
        _answers_as_told(packed.artifact, order, world)
    return packed


def family_of(order: Order, world: World) -> str:
    """Package the members of a family, as many at once as the disk takes; the family's digest, "" where there are none.

    Raises:
        ArtifactRejected: a member may not be opened, or does not answer what the parent is asked.
    """
    if not order.members:
        return ""
    for name, member in order.members.items():
        _fit_parent(name, member.signature, order)
    members: dict[str, str] = {}
    coming = iter(order.members.items())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while some := dict(islice(coming, TOGETHER)):
            for name, one in zip(some, pool.map(partial(packaged, world=world), some.values()), strict=True):
                if one.format == PYTHON:
                    raise ArtifactRejected(f"the model of {name!r} is a Python class, which needs a process of its own")
                members[name] = one.artifact
    return world.blobs.put(wire.dump(Family(by=order.by, members=members)))


def said(packed: Packed, rows: int) -> tuple[str, str]:
    """What the audit and the parity check found, in words."""
    runs = (
        "code of its own, trusted by whoever deployed it: it runs in processes of its own"
        if packed.format == PYTHON
        else "nothing in it runs code"
    )
    audited = f"{packed.format}, {packed.size_bytes:,} bytes: {runs}"
    if packed.serving_form != packed.format:
        return audited, f"served as {packed.serving_form}, which answers {rows:,} example rows alike (within {packed.parity_max_diff:.1e})"
    if packed.note:
        return audited, f"served as it was saved: {packed.note}"
    return (
        audited,
        f"served as it was saved; it answers {rows:,} example rows" if rows else "served as it was saved; there were no example rows",
    )


def _fit_parent(name: str, member: Signature, order: Order) -> None:
    """A member answers the same question from the same request.

    Raises:
        ArtifactRejected: it does not.
    """
    told = order.signature
    inputs = {field.name for field in told.inputs}
    if order.by not in inputs:
        raise ArtifactRejected(f"requests have no field {order.by!r} to name the partition by", fix="add it to the signature's inputs")
    unknown = [field.name for field in member.features if field.name not in inputs]
    if unknown:
        raise ArtifactRejected(f"the model of {name!r} takes {', '.join(unknown[:5])}, which requests to the parent do not carry")
    if (member.task, member.classes) != (told.task, told.classes):
        raise ArtifactRejected(f"the model of {name!r} answers another question than the parent: {member.task} {' '.join(member.classes)}")


def _answers_as_told(artifact: str, order: Order, world: World) -> None:
    answers = package.answers(artifact, order.sample, blobs=world.blobs)
    told, signature = np.asarray(order.answers, dtype=np.float64), order.signature
    if told.shape != answers.shape or not alike(told, answers, signature.task, signature.threshold):
        far = f", by up to {np.abs(told - answers).max():.3g}" if told.shape == answers.shape else ""
        raise ArtifactRejected(
            f"the model does not answer the example rows as it did where it was made{far}", fix="compare the two by hand"
        )


def _answers_at_all(artifact: str, signature: Signature, world: World) -> None:
    """Ask once, with zeros, where nobody gave rows: a model that does not fit its signature shall not be registered.

    Raises:
        ArtifactRejected: it fails, or answers in another shape.
    """
    scorer = package.load(artifact, blobs=world.blobs)
    if getattr(scorer, "takes", "matrix") != "matrix":
        return
    try:
        answers = scorer.score(np.zeros((1, len(signature.features))))
    except NoriaError:
        raise
    except Exception as error:
        raise ArtifactRejected(f"the model fails on a row of zeros: {type(error).__name__}: {error}", fix="give example rows") from error
    fit_signature(answers, signature)
