"""What an ONNX graph takes and gives, from its own declarations and one run on zeros."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from noria.core.errors import ArtifactRejected
from noria.core.schema import Field, Kind, Signature, Task
from noria.packaging.describing import GIVE_ONE, numbers, unnamed
from noria.packaging.onnx_session import DTYPES, answer_of, open_session, takes_matrix

_ONE_VALUE = {"str": Kind.TEXT, "bool": Kind.BOOL, "float32": Kind.FLOAT, "float64": Kind.FLOAT, "int64": Kind.INT, "int32": Kind.INT}


def described(content: bytes) -> Signature:
    """The signature of a graph.

    A matrix becomes numbers called x0, x1 and so on; of any other graph every input is a field of its
    name, its first dimension being the rows.

    Raises:
        ArtifactRejected: an input has a type or shape that no request can carry, or the answers cannot be told.
    """
    session = open_session(content)
    fields = _matrix(session) if takes_matrix(session) else tuple(_field(one) for one in session.get_inputs())
    task, classes, width = _answers(session, content, fields)
    return Signature(inputs=fields, features=fields, task=task, classes=classes, width=width)


def _matrix(session: Any) -> tuple[Field, ...]:
    (only,) = session.get_inputs()
    if not isinstance(only.shape[1], int):
        raise ArtifactRejected(f"the graph's input {only.name!r} does not say how many features it has", fix=GIVE_ONE)
    return numbers(unnamed(only.shape[1]))


def _field(declared: Any) -> Field:
    dtype = DTYPES.get(declared.type)
    shape = tuple(size if isinstance(size, int) else -1 for size in declared.shape)
    if dtype is None or not shape or shape[0] > 1:
        raise ArtifactRejected(
            f"the graph takes {declared.name!r} as {declared.type} of shape {list(declared.shape)}",
            fix="export it with a first dimension of any length: the rows",
        )
    if shape[1:] in ((), (1,)) and dtype in _ONE_VALUE:
        return Field(name=declared.name, kind=_ONE_VALUE[dtype])
    if dtype == "str":
        raise ArtifactRejected(f"the graph takes several texts per row as {declared.name!r}", fix="give it one input per text")
    return Field(name=declared.name, kind=Kind.TENSOR, dtype=dtype, shape=shape[1:])


def _answers(session: Any, content: bytes, fields: Sequence[Field]) -> tuple[Task, tuple[str, ...], int]:
    answer = answer_of(session)
    width = _width(session, answer, fields)
    labels = [one.name for one in session.get_outputs() if DTYPES.get(one.type) in ("int64", "str")]
    if labels:
        named = _class_labels(content)
        classes = named if len(named) == max(width, 2) else tuple(map(str, range(max(width, 2))))
        return (Task.BINARY if len(classes) == 2 else Task.MULTICLASS), classes, 0
    return (Task.VECTOR, (), width) if width > 1 else (Task.REGRESSION, (), 0)


def _width(session: Any, answer: str, fields: Sequence[Field]) -> int:
    """Numbers per row, from a run on zeros; -1 in a shape counts as 1 there."""
    feed = zeros(session, len(fields))
    try:
        given = session.run([answer], feed)[0]
    except Exception:  # noqa: BLE001  (a graph may refuse zeros in any way; then its declaration has to do)
        shape = next(one.shape for one in session.get_outputs() if one.name == answer)
        sizes = [size for size in shape[1:] if isinstance(size, int)]
        if len(sizes) != len(shape) - 1:
            raise ArtifactRejected(f"the graph does not say how long its answer {answer!r} is", fix=GIVE_ONE) from None
        return int(np.prod(sizes, dtype=int))
    return int(np.asarray(given).size)


def zeros(session: Any, width: int) -> Mapping[str, np.ndarray]:
    """One row of zeros (or empty texts) for a graph."""
    feed = {}
    for one in session.get_inputs():
        shape = [size if isinstance(size, int) and size > 0 else 1 for size in one.shape]
        if takes_matrix(session):
            shape = [1, width]
        dtype = DTYPES.get(one.type, "float32")
        feed[one.name] = np.full(shape, "", dtype=object) if dtype == "str" else np.zeros(shape, dtype=dtype)
    return feed


def _class_labels(content: bytes) -> tuple[str, ...]:
    """The labels that the graph's own classifier names, if it names any."""
    import onnx

    for node in onnx.load_model_from_string(content).graph.node:
        for attribute in node.attribute:
            if attribute.name in ("classlabels_strings", "classlabels_int64s"):
                return tuple(one.decode() for one in attribute.strings) or tuple(str(one) for one in attribute.ints)
    return ()
