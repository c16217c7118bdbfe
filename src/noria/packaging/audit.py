"""Says what a model file is before anything opens it, and refuses what could run code."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from noria.core.errors import ArtifactRejected

UNPACKED_LIMIT = 8 << 30
"""Bytes that a model archive may unfold to: a zip bomb stops here."""

JSON_LIMIT = 1 << 30
"""Largest model kept as JSON, in bytes."""

_PICKLE = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_OTHERS = {
    b"\x1f\x8b": "gzip (a compressed joblib pickle?)",
    b"BZh": "bzip2 (a compressed joblib pickle?)",
    b"\xfd7zXZ": "xz (a compressed joblib pickle?)",
    b"\x04\x22\x4d\x18": "lz4 (a compressed joblib pickle?)",
    b"\x78\x01": "zlib (a compressed joblib pickle?)",
    b"\x78\x9c": "zlib (a compressed joblib pickle?)",
    b"\x78\xda": "zlib (a compressed joblib pickle?)",
    b"\x89HDF": "HDF5 (Keras keeps Python code in it)",
    b"\x93NUMPY": "a NumPy array",
}
_ONNX_FIELDS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26})
_ONNX_GRAPH, _ONNX_OPSET = 7, 8
_ONNX_DOMAINS = frozenset({b"", b"ai.onnx", b"ai.onnx.ml", b"com.microsoft"})
_ONNX_EXTERNAL = b"\x0a\x08location"


def audit(content: bytes) -> str:
    """Recognise a model file by its bytes: a format, or "catboost-binary", which is converted. Nothing is executed or constructed.

    A skops file is read by allow-list afterwards (`noria.packaging.skops_zip`), since its types need
    scikit-learn to be known; trees of XGBoost and CatBoost are checked node by node before their
    library sees them (`noria.packaging.forest`).

    Raises:
        ArtifactRejected: it is a pickle in any wrapping, damaged, or nothing that Noria knows.
    """
    if content.startswith(_PICKLE) or _is_ancient_pickle(content):
        raise ArtifactRejected("the file is a pickle: opening it would run whatever it says")
    for magic, what in _OTHERS.items():
        if content.startswith(magic):
            raise ArtifactRejected(f"the file is {what}, not a model format that is safe to open")
    if content.startswith(b"tree\n"):
        return _lightgbm(content)
    if content.startswith(b"PK"):
        return _skops(content)
    if content.startswith(b"CBM1"):
        return "catboost-binary"
    if content.startswith(b"{"):
        return _booster(content)
    if content.startswith(b"\x08"):
        return _onnx(content)
    raise ArtifactRejected(f"the file is of no known model format; it begins with {content[:12]!r}")


def _is_ancient_pickle(content: bytes) -> bool:
    """Protocols 0 and 1 have no magic; they begin with an opcode and end with STOP."""
    return content.endswith(b".") and content[:1] in (b"c", b"(", b"]", b"}", b"i", b"l", b"d") and not content.startswith(b"d\n")


def _lightgbm(content: bytes) -> str:
    if b"\nend of trees" not in content:
        raise ArtifactRejected("the LightGBM model text is cut off before its end", fix="copy the file again")
    return "lightgbm"


def _booster(content: bytes) -> str:
    """XGBoost's binary JSON, or JSON of one of the two; what it holds is checked when it is opened."""
    if len(content) > JSON_LIMIT:
        raise ArtifactRejected(f"the model's JSON is larger than {JSON_LIMIT >> 20} MiB", fix="train fewer or smaller trees")
    if content[1:2] in (b"L", b"l", b"I", b"i", b"U") and b"learner" in content[:64]:
        return "xgboost"
    if b'"learner"' in content and b'"gradient_booster"' in content:
        return "xgboost"
    if b'"features_info"' in content:
        return "catboost"
    raise ArtifactRejected("the file is JSON, but no model of XGBoost or CatBoost", fix="save it with the library that trained it")


def _skops(content: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > UNPACKED_LIMIT:
                raise ArtifactRejected(f"the archive unfolds to more than {UNPACKED_LIMIT >> 30} GiB")
            for member in members:
                _skops_member(archive, member)
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ArtifactRejected(f"the archive is damaged: {error}", fix="copy the file again") from error
    if damaged:
        raise ArtifactRejected(f"the archive is damaged at {damaged!r}", fix="copy the file again")
    if "schema.json" not in {member.filename for member in members}:
        raise ArtifactRejected("the archive is no skops file: it has no schema.json")
    return "skops"


def _skops_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    with archive.open(member) as file:
        head = file.read(6)
    lies = member.filename.endswith(".npy") and head != b"\x93NUMPY"
    if lies or head.startswith(_PICKLE) or member.filename.endswith((".pkl", ".pickle", ".joblib")):
        raise ArtifactRejected(f"the archive holds a pickle, {member.filename[:100]!r}: opening it would run whatever it says")


def _onnx(content: bytes) -> str:
    found: set[int] = set()
    for number, start, end in _protobuf_fields(content, 0, len(content)):
        found.add(number)
        if number not in _ONNX_FIELDS:
            raise ArtifactRejected("the file is of no known model format: it looks like protobuf, but not like ONNX")
        if number == _ONNX_OPSET:
            _onnx_operators(content, start, end)
    if _ONNX_GRAPH not in found or _ONNX_OPSET not in found:
        raise ArtifactRejected("the ONNX file has no graph, or is cut off before it", fix="copy the file again")
    if _ONNX_EXTERNAL in content:
        raise ArtifactRejected("the ONNX file keeps tensors in other files", fix="save it with all tensors inside")
    return "onnx"


def _onnx_operators(content: bytes, start: int, end: int) -> None:
    for number, first, last in _protobuf_fields(content, start, end):
        if number == 1 and content[first:last] not in _ONNX_DOMAINS:
            raise ArtifactRejected(f"the ONNX file wants operators of {content[first:last][:60]!r}, which are code from elsewhere")


def _protobuf_fields(content: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Field number and the span of its content, one message deep (protobuf encoding, wire types 0, 1, 2 and 5)."""
    while at < end:
        key, at = _varint(content, at, end)
        number, wire = key >> 3, key & 7
        length = 0
        if wire == 0:
            _, after = _varint(content, at, end)
            length = after - at
        elif wire == 2:
            length, at = _varint(content, at, end)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ArtifactRejected("the file is of no known model format: it looks like protobuf, but is damaged")
        if at + length > end:
            raise ArtifactRejected("the ONNX file is cut off", fix="copy the file again")
        yield number, at, at + length
        at += length


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ArtifactRejected("the file is cut off inside a number", fix="copy the file again")
