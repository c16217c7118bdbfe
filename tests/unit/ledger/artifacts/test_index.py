"""Artifacts by path: folders are what files begin with, and no path leads elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noria.adapters.sqlite import Sqlite
from noria.core.errors import NotFound, RequestInvalid
from noria.ledger.artifacts import index
from noria.ledger.artifacts.index import Artifact, Entry
from noria.ledger.artifacts.paths import kept_here, safe


@pytest.fixture
def sql(tmp_path):
    sql = Sqlite(tmp_path / "noria.db")
    yield sql
    sql.close()


def put(sql, *paths, project="default"):
    for path in paths:
        artifact = Artifact(path=path, digest="sha256:" + "0" * 64, size_bytes=len(path))
        sql.write(lambda tx, artifact=artifact: index.put(tx, project, artifact, now_ms=1))


def names(entries):
    return [entry.name + ("/" if entry.is_folder else "") for entry in entries]


def test_a_folder_lists_its_files_and_the_folders_directly_below_it(sql):
    put(
        sql,
        "0/r/artifacts/model/MLmodel",
        "0/r/artifacts/model/data/x",
        "0/r/artifacts/a.txt",
        "0/r/artifacts/model-2/y",
        "0/s/artifacts/b",
    )
    assert names(index.listed(sql, "default", "0/r/artifacts")) == ["a.txt", "model/", "model-2/"]
    assert names(index.listed(sql, "default", "0/r/artifacts/model/")) == ["MLmodel", "data/"]
    assert names(index.listed(sql, "default", "")) == ["0/"]
    assert names(index.listed(sql, "default", "0")) == ["r/", "s/"]
    assert index.listed(sql, "default", "0/r/artifacts/a.txt") == index.listed(sql, "default", "nowhere") == []
    assert index.listed(sql, "default", "0/r/artifacts")[0] == Entry(name="a.txt", size_bytes=len("0/r/artifacts/a.txt"))


def test_many_folders_of_many_files_are_listed_whole(sql, monkeypatch):
    monkeypatch.setattr(index, "_AT_ONCE", 7)
    put(sql, *(f"d/{n:03}/{m}/file" for n in range(25) for m in range(3)), "d/000-x/file", "d/024-x/file", project="p")
    assert names(index.listed(sql, "p", "d")) == sorted([*(f"{n:03}/" for n in range(25)), "000-x/", "024-x/"], key=lambda name: name[:-1])


def test_projects_do_not_see_each_other(sql):
    put(sql, "0/a", project="one")
    assert index.listed(sql, "two", "") == [] and index.tree(sql, "two", "") == []
    with pytest.raises(NotFound):
        index.find(sql, "two", "0/a")
    assert sql.write(lambda tx: index.delete(tx, "two", "0")) == 0
    assert index.find(sql, "one", "0/a").size_bytes == 3


def test_the_last_put_counts(sql):
    put(sql, "0/a")
    sql.write(lambda tx: index.put(tx, "default", Artifact(path="0/a", digest="sha256:" + "1" * 64, size_bytes=7), now_ms=2))
    assert index.find(sql, "default", "0/a") == Artifact(path="0/a", digest="sha256:" + "1" * 64, size_bytes=7)


def test_a_file_is_no_folder_and_a_folder_no_file(sql):
    put(sql, "0/a/b")
    with pytest.raises(RequestInvalid, match="is a folder"):
        put(sql, "0/a")
    with pytest.raises(RequestInvalid, match="'0/a/b' is a file"):
        put(sql, "0/a/b/c/d")


def test_a_file_or_a_folder_with_all_below_it_is_deleted_and_nothing_beside_it(sql):
    put(sql, "0/a/b", "0/a/c/d", "0/a-b", "0/ab/c", "0/a.txt")
    assert sql.write(lambda tx: index.delete(tx, "default", "0/a")) == 2
    assert [one.path for one in index.tree(sql, "default", "0")] == ["0/a-b", "0/a.txt", "0/ab/c"]
    assert sql.write(lambda tx: index.delete(tx, "default", "0/a.txt")) == 1
    assert sql.write(lambda tx: index.delete(tx, "default", "0/a.txt")) == 0
    with pytest.raises(RequestInvalid, match="not deleted at once"):
        sql.write(lambda tx: index.delete(tx, "default", ""))


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "/etc/passwd",
        "%2e%2e/x",
        "a/%252e%252e%252fb",
        "../x",
        "a/../../etc/passwd",
        "a/./b",
        "a//b",
        "//etc/passwd",
        "a\\..\\b",
        "C:/x",
        "file:///etc",
        "a\0b",
        "a\nb",
        "x" * 1_001,
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(sql, path):
    with pytest.raises(RequestInvalid, match="Invalid path"):
        put(sql, path)
    with pytest.raises(RequestInvalid, match="Invalid path"):
        index.listed(sql, "default", path)


@given(st.text(max_size=40))
def test_what_is_safe_stays_as_it_is_and_below_the_root(text):
    try:
        path = safe(text)
    except RequestInvalid:
        return
    assert safe(path) == path
    assert not path.startswith("/") and not path.endswith("/") and ".." not in path.split("/") and "\\" not in path


def test_addresses_of_this_servers_own_store_are_known():
    assert kept_here("mlflow-artifacts:/0/r/artifacts") == "0/r/artifacts"
    assert kept_here("mlflow-artifacts://host:7700/0/r") == "0/r"
    assert kept_here("s3://bucket/x") is None and kept_here("/tmp/x") is None
