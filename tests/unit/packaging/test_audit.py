from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from noria.core.errors import ArtifactRejected
from noria.packaging.audit import audit
from noria.packaging.skops_zip import construct

ROWS, LABELS = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


def archive(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, body in members.items():
            file.writestr(name, body)
    return content.getvalue()


@pytest.fixture(scope="module")
def skops_file() -> bytes:
    return skops.io.dumps(LogisticRegression().fit(ROWS, LABELS))


@pytest.fixture(scope="module")
def onnx_file() -> bytes:
    from skl2onnx import to_onnx

    return to_onnx(LogisticRegression().fit(ROWS, LABELS), ROWS.astype(np.float32)).SerializeToString()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_is_refused_and_nothing_runs(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "ran"
    content = pickle.dumps(Bomb(mark), protocol=protocol)
    wrapped = archive(**{"schema.json": b"{}", "weights.npy": content})
    for file in (content, wrapped, archive(**{"archive/data.pkl": content})):
        with pytest.raises(ArtifactRejected):
            audit(file)
    assert not mark.exists()
    pickle.loads(content)
    assert mark.exists(), "the bomb was real"


@pytest.mark.parametrize("magic", [b"\x1f\x8b", b"BZh9", b"\x78\x9c", b"\x89HDF\r\n", b"\x93NUMPY", b"", b"hello", b"PK\x03\x04rubbish"])
def test_other_files_are_refused(magic: bytes) -> None:
    with pytest.raises(ArtifactRejected):
        audit(magic + b"0" * 50)


def test_skops_files_are_recognised_and_damaged_ones_refused(skops_file: bytes) -> None:
    assert audit(skops_file) == "skops"
    with pytest.raises(ArtifactRejected, match="damaged"):
        audit(skops_file[: len(skops_file) // 2])


def test_a_skops_file_with_a_function_inside_is_refused_before_it_is_made() -> None:
    content = skops.io.dumps(FunctionTransformer(func=os.system))
    with pytest.raises(ArtifactRejected, match=r"posix\.system"):
        construct(content)


def test_onnx_graphs_are_recognised_and_cut_ones_refused(onnx_file: bytes) -> None:
    assert audit(onnx_file) == "onnx"
    with pytest.raises(ArtifactRejected, match="cut off"):
        audit(onnx_file[:-3])


def test_an_onnx_graph_may_not_read_other_files_or_bring_operators(onnx_file: bytes) -> None:
    import onnx

    elsewhere = onnx.load_model_from_string(onnx_file)
    tensor = elsewhere.graph.initializer.add()
    tensor.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(ArtifactRejected, match="other files"):
        audit(elsewhere.SerializeToString())
    strange = onnx.load_model_from_string(onnx_file)
    strange.opset_import.add(domain="evil.ops", version=1)
    with pytest.raises(ArtifactRejected, match=r"evil\.ops"):
        audit(strange.SerializeToString())


def test_a_cut_lightgbm_text_is_refused() -> None:
    assert audit(b"tree\nversion=v4\n\nend of trees\n") == "lightgbm"
    with pytest.raises(ArtifactRejected, match="cut off"):
        audit(b"tree\nversion=v4\n")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\x08", b"PK\x03\x04", b"\x08\x08\x3a"]))
def test_any_bytes_are_recognised_or_refused_and_never_crash(noise: bytes, head: bytes) -> None:
    try:
        assert audit(head + noise) in ("lightgbm", "skops", "onnx")
    except ArtifactRejected as error:
        assert error.fix
