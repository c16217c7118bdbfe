"""Locked environments are rebuilt from an index, held against what was, and what is missing is named."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from noria.app import rebuilding
from noria.app.rebuilding import rebuild, this_one
from noria.core.environment import Difference, Distribution, Environment
from noria.core.errors import DataInvalid, NotAllowed, Unavailable
from noria.packaging.installed import environment
from noria.packaging.locks import read_environment
from noria.ports import wire


def wheel(folder: Path, name: str, version: str, content: str = "x = 1\n") -> Path:
    """A wheel of one module."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode() for path, text in files.items()}
    record = "".join(f"{path},sha256={digests[path]},{len(text)}\n" for path, text in files.items()) + f"{info}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(place, "w") as out:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            out.writestr(path, text)
    return place


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def lock(*distributions: Distribution, **more) -> Environment:
    return replace(environment(), distributions=distributions, **more)


def test_a_lock_is_rebuilt_checked_and_taken_again_the_second_time(index: Path, tmp_path: Path):
    wheel(index, "norias_bucket", "1.2")
    said: list[str] = []
    wanted = lock(Distribution(name="norias-bucket", version="1.2"))
    made = rebuild(wanted, tmp_path / "environments", told=said.append)
    asked = "import norias_bucket, sys; print(norias_bucket.x, sys.prefix != sys.base_prefix)"
    done = subprocess.run([made.python, "-c", asked], capture_output=True, text=True, env={}, check=True)
    assert done.stdout.split() == ["1", "True"] and not made.here and made.differences == ()
    (card,) = (tmp_path / "environments").glob("*/environment.json")
    (bucket,) = read_environment(card.read_bytes()).distributions
    assert (bucket.name, bucket.license) == ("norias-bucket", "MIT") and bucket.content
    said.clear()
    assert rebuild(wanted, tmp_path / "environments", told=said.append).python == made.python and said == []
    exact = lock(replace(bucket, content="sha256:" + "0" * 64))
    (other,) = rebuild(exact, tmp_path / "environments").differences
    assert other == Difference(what="norias-bucket", before="1.2 (00000000)", after=f"1.2 ({bucket.content[7:15]})")


def test_what_no_index_has_is_named_and_nothing_half_made_is_left(index: Path, tmp_path: Path):
    wheel(index, "norias_bucket", "1.2")
    with pytest.raises(Unavailable, match=r"has no norias-bucket==1\.3") as missing:
        rebuild(lock(Distribution(name="norias-bucket", version="1.3")), tmp_path / "environments")
    assert "--here" in missing.value.fix
    gone = Distribution(name="own", version="1", origin="file:///nowhere/own", editable=True)
    with pytest.raises(Unavailable, match=r"folder is gone: own==1 \(file:///nowhere/own\)"):
        rebuild(lock(gone), tmp_path / "environments")
    assert list((tmp_path / "environments").iterdir()) == []


def test_an_index_that_does_not_answer_is_told_with_what_is_not_here_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    here = next(one for one in environment().distributions if one.name == "msgspec")
    wanted = lock(Distribution(name="norias-bucket", version="1"), replace(here, content=""))
    with pytest.raises(Unavailable, match=r"index does not answer, and 2 distributions .* not installed here either: norias-bucket==1\n"):
        rebuild(wanted, tmp_path / "environments")


def test_a_python_that_is_not_here_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotAllowed, match=r"made with Python 3\.2\.1, and python3\.2 is not on this machine"):
        rebuild(lock(python="3.2.1"), tmp_path)


def test_only_the_environments_used_last_are_kept(tmp_path: Path):
    for age in range(rebuilding.KEPT + 2):
        (tmp_path / f"e{age}").mkdir()
        card = tmp_path / f"e{age}" / rebuilding.CARD
        card.write_text("{}")
        os.utime(card, (1_000 - age, 1_000 - age))
    rebuilding._tidy(tmp_path)
    assert sorted(place.name for place in tmp_path.iterdir()) == ["e0", "e1", "e2"]


def test_the_running_environment_is_held_against_the_lock():
    now = environment()
    assert this_one(now).differences == ()
    older = replace(now, python="3.10.1", distributions=(*now.distributions, Distribution(name="gone", version="1")))
    assert [str(one) for one in this_one(older).differences] == [f"python: 3.10.1 → {now.python}", "gone: 1 → not there"]


def test_locks_of_the_first_noria_and_of_a_later_one():
    old = read_environment(b"numpy==2.1.0\npolars==1.0\n# python 3.11.9\n# platform Linux-6\n")
    assert (old.version, old.python, old.named()["numpy"].version) == (0, "3.11.9", "2.1.0")
    now = environment()
    assert read_environment(wire.dump(now)) == now
    with pytest.raises(DataInvalid, match="layout 99"):
        read_environment(wire.dump(replace(now, version=99)))
    with pytest.raises(DataInvalid):
        read_environment(b"whatever")
