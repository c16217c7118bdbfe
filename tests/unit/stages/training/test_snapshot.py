from __future__ import annotations

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from noria.adapters.files import Files
from noria.core.errors import BlobMissing, Conflict, DataInvalid
from noria.core.ids import digest_of
from noria.stages.training.snapshot import restore_code, snapshot_code

SOURCES = {
    "flights.py": "import json\nimport polars as pl\nfrom cleaning import tidy\nimport shapes.round\nimport later_missing\n",
    "cleaning.py": "def tidy():\n    from shapes import square\n    return square\n",
    "shapes/__init__.py": "",
    "shapes/round.py": "from . import corner\nfrom .deep.well import water\nfrom ..outside import nothing\n",
    "shapes/square.py": "import flights\n",
    "shapes/corner.py": "",
    "shapes/deep/well.py": "water = 1\n",
    "shapes/unused.py": "",
    "unused.py": "",
    "data/flights.csv": "1,2\n",
}
WANTED = {name for name in SOURCES if name.endswith(".py") and "unused" not in name}


@pytest.fixture
def blobs(tmp_path: Path) -> Files:
    return Files(tmp_path / "blobs")


def project(folder: Path) -> Path:
    for name, text in SOURCES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "flights.py"


def archive(main: object, **members: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, text in members.items():
            file.writestr(name, text)
        file.writestr("SNAPSHOT.json", json.dumps({"version": 1, "main": main}))
    return content.getvalue()


def test_the_loop_file_and_what_it_imports_come_back_byte_for_byte(blobs: Files, tmp_path: Path) -> None:
    main = restore_code(snapshot_code(project(tmp_path / "p"), blobs=blobs), tmp_path / "r", blobs=blobs)
    assert main == tmp_path / "r" / "flights.py"
    found = {file.relative_to(main.parent).as_posix(): file.read_text() for file in main.parent.rglob("*.py")}
    assert found == {name: SOURCES[name] for name in WANTED}


def test_the_same_sources_have_the_same_digest_wherever_they_lie(blobs: Files, tmp_path: Path) -> None:
    here, there = project(tmp_path / "here"), project(tmp_path / "there")
    digest = snapshot_code(here, blobs=blobs)
    assert snapshot_code(there, blobs=blobs) == digest
    (there.parent / "shapes/deep/well.py").write_text("water = 2\n")
    assert snapshot_code(there, blobs=blobs) != digest
    (here.parent / "unused.py").write_text("changed = 1\n")
    assert snapshot_code(here, blobs=blobs) == digest


def test_restoring_again_and_from_many_threads_is_restoring_once(blobs: Files, tmp_path: Path) -> None:
    digest = snapshot_code(project(tmp_path / "p"), blobs=blobs)
    with ThreadPoolExecutor(8) as threads:
        places = list(threads.map(lambda _: restore_code(digest, tmp_path / "r", blobs=blobs), range(24)))
    assert set(places) == {tmp_path / "r" / "flights.py"}
    assert sorted(place.name for place in tmp_path.iterdir()) == ["blobs", "p", "r"]


def test_another_snapshot_does_not_overwrite_what_is_there(blobs: Files, tmp_path: Path) -> None:
    main = project(tmp_path / "p")
    restore_code(snapshot_code(main, blobs=blobs), tmp_path / "r", blobs=blobs)
    main.write_text("import cleaning\n")
    with pytest.raises(Conflict, match="holds something other"):
        restore_code(snapshot_code(main, blobs=blobs), tmp_path / "r", blobs=blobs)


@pytest.mark.parametrize("name", ["../evil.py", "/tmp/evil.py", "a/../../evil.py", "..\\evil.py", "C:evil.py"])
def test_a_snapshot_cannot_write_outside_its_folder(name: str, blobs: Files, tmp_path: Path) -> None:
    for content in (archive("a.py", **{"a.py": "", name: "boo"}), archive(name, **{"a.py": ""})):
        with pytest.raises(DataInvalid, match="outside its folder"):
            restore_code(blobs.put(content), tmp_path / "deep" / "r", blobs=blobs)
    assert not list(tmp_path.rglob("evil.py")) and not (tmp_path / "deep" / "r").exists()


@pytest.mark.parametrize(
    "content", [b"rubbish", b"", archive(None), archive("gone.py", **{"a.py": ""}), archive("a.py", **{"a.py": ""})[:-20]]
)
def test_other_blobs_are_no_snapshots(content: bytes, blobs: Files, tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="snapshot"):
        restore_code(blobs.put(content), tmp_path / "r", blobs=blobs)
    with pytest.raises(BlobMissing):
        restore_code(digest_of(b"never kept"), tmp_path / "r", blobs=blobs)


def test_a_file_that_is_not_python_is_told_by_name(blobs: Files, tmp_path: Path) -> None:
    (tmp_path / "flights.py").write_text("def (:\n")
    with pytest.raises(DataInvalid, match=r"flights\.py is not Python"):
        snapshot_code(tmp_path / "flights.py", blobs=blobs)
