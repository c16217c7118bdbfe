"""Python models: kept with their sources and files, never run without trust, and only in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from noria.adapters.files import Files
from noria.core.errors import ArtifactRejected, NotFound, RequestInvalid
from noria.core.schema import Field, Kind, Signature, Task
from noria.core.trusting import trusted
from noria.packaging import package, python_zip
from noria.packaging.opening import read_model
from noria.packaging.python_class import PythonScorer

FIELDS = (Field(name="x", kind=Kind.FLOAT, required=False), Field(name="city", kind=Kind.TEXT, categories=("bonn", "oslo")))
VALUE = Signature(inputs=FIELDS, features=FIELDS, task=Task.REGRESSION)
ROWS = {"x": np.array([1.0, np.nan]), "city": np.array(["oslo", None], dtype=object)}

SOURCE = """
    import json
    import pathlib
    from helper import double

    pathlib.Path({marks!r}).write_text("ran")

    class Model:
        def __init__(self, offset=0):
            self.offset = offset

        @classmethod
        def load(cls, folder):
            return cls(json.loads((folder / "state.json").read_text()))

        def save(self, folder):
            (folder / "state.json").write_text(json.dumps(self.offset))

        def predict(self, columns):
            return [double(0 if x != x else x) + self.offset for x in columns["x"]]

        def stream(self, inputs):
            yield from str(inputs["x"])
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with a class that notes when its source runs."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "model.py").write_text(textwrap.dedent(SOURCE.format(marks=str(tmp_path / "marks"))))
    (code / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    (code / "secret.py").write_text("x = 1\n")
    (code / "weights").mkdir()
    (code / "weights" / "state.json").write_text("10")
    return code


def test_without_trust_a_class_is_refused_and_never_run(written: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactRejected, match="Python code") as caught:
        read_model(f"{written / 'model.py'}:Model", signature=VALUE)
    assert "--trust" in caught.value.fix
    assert not (tmp_path / "marks").exists()


def test_a_trusted_class_is_kept_with_its_sources_and_answers_only_apart(written: Path, tmp_path: Path) -> None:
    blobs = Files(tmp_path / "blobs")
    model, signature = read_model(f"{written / 'model.py'}:Model", signature=VALUE, trust=True, files=written / "weights")
    assert not (tmp_path / "marks").exists(), "reading does not run it"
    packed = package.save(model, signature, ROWS | {"city": np.array(["oslo", "bonn"])}, blobs=blobs, scratch=tmp_path)
    assert (tmp_path / "marks").read_text() == "ran", "another process tried it"
    assert (packed.format, packed.serving_form) == ("python", "python")
    with pytest.raises(ArtifactRejected, match="processes of its own"):
        package.load(packed.artifact, blobs=blobs)
    assert package.importance(packed.artifact, blobs=blobs) == {}
    assert package.answers(packed.artifact, {"x": ROWS["x"]}, blobs=blobs).tolist() == [12.0, 10.0]
    content = blobs.read(package.manifest(packed.artifact, blobs=blobs).file("native"))
    names = zipfile.ZipFile(BytesIO(content)).namelist()
    assert names == ["PYTHON.json", "code/helper.py", "code/model.py", "files/state.json"]
    with pytest.raises(ArtifactRejected):
        package.save(content, signature, np.empty((0, 2)), blobs=blobs, scratch=tmp_path)


def test_the_same_sources_and_files_have_the_same_digest(written: Path) -> None:
    one, two = (read_model(f"{written / 'model.py'}:Model", signature=VALUE, trust=True, files=written / "weights")[0] for _ in range(2))
    assert one == two


def test_it_answers_columns_rows_and_matrices_and_streams(written: Path) -> None:
    model, _ = read_model(f"{written / 'model.py'}:Model", signature=VALUE, trust=True, files=written / "weights")
    scorer = PythonScorer(model.content, VALUE)
    assert scorer.takes == "columns" and scorer.streams
    assert scorer.score(ROWS).tolist() == [12.0, 10.0]
    assert scorer.score(np.array([[1.0, 1.0], [2.0, 0.0]])).tolist() == [12.0, 14.0]
    assert list(scorer.stream({"x": 12})) == ["1", "2"]


class Plain:
    takes = "rows"

    def predict(self, rows):
        return ["yes" if row["city"] == "oslo" and row["x"] is not None else "no" for row in rows]


class Stateful:
    def __init__(self) -> None:
        self.state = 1

    def predict(self, columns):
        return columns["x"]


class Short:
    def predict(self, columns):
        return [1.0]


class Saved(Stateful):
    def save(self, folder: Path) -> None:
        (folder / "s").write_text(json.dumps(self.state))

    @classmethod
    def load(cls, folder: Path) -> Saved:
        made = cls()
        made.state = json.loads((folder / "s").read_text())
        return made

    def predict(self, columns):
        return columns["x"] * self.state


def test_labels_become_probabilities_of_their_classes() -> None:
    signature = Signature(inputs=FIELDS, features=FIELDS, task=Task.BINARY, classes=("no", "yes"))
    scorer = PythonScorer(python_zip.of_trusted(trusted(Plain)).content, signature)
    assert scorer.score(ROWS).tolist() == [1.0, 0.0]
    assert scorer.score(np.array([[1.0, 1.0], [np.nan, 1.0]])).tolist() == [1.0, 0.0]


def test_an_object_is_kept_by_what_it_saves_and_never_by_pickle() -> None:
    kept = Saved()
    kept.state = 7
    assert PythonScorer(python_zip.of_trusted(trusted(kept)).content, VALUE).score({"x": np.array([2.0])}).tolist() == [14.0]
    with pytest.raises(ArtifactRejected, match="only pickle") as caught:
        python_zip.of_trusted(trusted(Stateful()))
    assert "save(self, folder)" in caught.value.fix


def test_what_is_no_model_is_refused(written: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactRejected, match="no method `predict`"):
        python_zip.of_trusted(trusted(Path))
    with pytest.raises(ArtifactRejected, match="no class 'Other'"):
        read_model(f"{written / 'model.py'}:Other", signature=VALUE, trust=True)
    with pytest.raises(ArtifactRejected, match="signature"):
        read_model(f"{written / 'model.py'}:Model", trust=True)
    with pytest.raises(NotFound):
        read_model("nowhere.at.all:Model", signature=VALUE, trust=True)
    scorer = PythonScorer(python_zip.of_trusted(trusted(Short)).content, VALUE)
    with pytest.raises(RequestInvalid, match="1 answers to 2 rows"):
        scorer.score(ROWS)
    with pytest.raises(ArtifactRejected, match="damaged"):
        PythonScorer(b"PK nothing", VALUE)


def test_an_archive_may_not_leave_its_folder(tmp_path: Path) -> None:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as out:
        out.writestr("PYTHON.json", json.dumps({"version": 1, "kind": "class", "module": "m", "name": "M"}))
        out.writestr("../outside.py", "x = 1")
    with pytest.raises(ArtifactRejected, match="outside"):
        python_zip.unfold(content.getvalue(), tmp_path / "in")
    assert not (tmp_path / "outside.py").exists()


def test_a_class_that_ends_its_process_ends_nobody_elses(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import os\n\nclass Bad:\n    def predict(self, columns):\n        os._exit(9)\n")
    model, _ = read_model(f"{tmp_path / 'bad.py'}:Bad", signature=VALUE, trust=True)
    with pytest.raises(ArtifactRejected, match="ends the process"):
        package.save(model, VALUE, {"x": np.ones(1)}, blobs=Files(tmp_path / "blobs"), scratch=tmp_path)


def test_importing_the_package_module_runs_no_user_code() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import noria.packaging.package, sys; print('noria.packaging.python_class' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
