"""Files of runs through MLflow's own client and by plain HTTP."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from noria.adapters.sqlite import Sqlite
from noria.adapters.system_clock import SystemClock
from noria.core.rights import LOCAL
from noria.ledger.book import Ledger
from noria.server.mlflow.app import MlflowApp
from noria.server.mlflow.endpoints import Tracking
from noria.server.mlflow.table import ENDPOINTS

from .conftest import serving

ART = "/api/2.0/mlflow-artifacts/"


@pytest.fixture
def http(url):
    with httpx.Client(base_url=url) as http:
        yield http


@pytest.fixture
def run(client):
    return client.create_run("0")


def folder(run):
    return f"0/{run.info.run_id}/artifacts"


def names(files):
    return [(file.path, file.is_dir, file.file_size) for file in files]


def repository_of(run):
    """What the client moves files with."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(run.info.artifact_uri)


def downloaded(run, path, into):
    into.mkdir(exist_ok=True)
    return repository_of(run).download_artifacts(path, str(into))


def test_files_and_folders_are_logged_listed_and_downloaded(client, run, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.bin").write_bytes(bytes(range(256)) * 10_000)
    (tmp_path / "in" / "deep" / "ü ber+.txt").write_text("in the deep")
    (tmp_path / "in" / "empty").touch()
    id = run.info.run_id
    client.log_artifacts(id, str(tmp_path / "in"), "data")
    client.log_artifact(id, str(tmp_path / "in" / "a.bin"))
    client.log_text(id, "hello", "notes/hello.txt")
    client.log_dict(id, {"a": [1, None]}, "notes/a.json")
    assert names(client.list_artifacts(id)) == [("a.bin", False, 2_560_000), ("data", True, None), ("notes", True, None)]
    assert names(repository_of(run).list_artifacts("data")) == [
        ("data/a.bin", False, 2_560_000),
        ("data/deep", True, None),
        ("data/empty", False, 0),
    ]
    assert repository_of(run).list_artifacts("data/a.bin") == repository_of(run).list_artifacts("nowhere") == []
    out = downloaded(run, "", tmp_path / "out")
    got = {file.relative_to(out).as_posix(): file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()}
    assert set(got) == {"a.bin", "data/a.bin", "data/deep/ü ber+.txt", "data/empty", "notes/hello.txt", "notes/a.json"}
    assert got["data/a.bin"] == (tmp_path / "in" / "a.bin").read_bytes()
    assert got["data/deep/ü ber+.txt"] == b"in the deep"


def test_images_tables_and_figures_are_logged(client, run, tmp_path):
    import mlflow
    import numpy as np

    id = run.info.run_id
    with mlflow.start_run(id):
        mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "black.png")
        mlflow.log_table({"x": [1, 2]}, "table.json")
        mlflow.log_table({"x": [3]}, "table.json")
    with open(downloaded(run, "table.json", tmp_path)) as file:
        assert json.load(file)["data"] == [[1], [2], [3]]
    assert [file.path for file in client.list_artifacts(id)] == ["black.png", "table.json"]


def test_files_of_a_run_are_listed_and_downloaded_by_its_id(client, run, tmp_path):
    import mlflow

    id = run.info.run_id
    client.log_text(id, "deep", "data/deep/a.txt")
    client.log_table(id, {"x": [1, 2]}, "table.json")
    assert names(client.list_artifacts(id, "data/deep")) == [("data/deep/a.txt", False, 4)]
    assert client.list_artifacts(id, "data/deep/a.txt") == client.list_artifacts(id, "nowhere") == []
    got = mlflow.artifacts.download_artifacts(run_id=id, artifact_path="data", dst_path=str(tmp_path))
    with open(f"{got}/deep/a.txt") as file:
        assert file.read() == "deep"
    assert mlflow.artifacts.load_text(f"runs:/{id}/data/deep/a.txt") == "deep"
    assert mlflow.load_table("table.json", run_ids=[id])["x"].tolist() == [1, 2]


def test_the_same_content_is_kept_once(client, run, tracking):
    for n in range(5):
        client.log_text(run.info.run_id, "the same" * 1_000, f"{n}.txt")
    assert len(list(tracking.blobs.digests())) == 1
    assert list(tracking.blobs.room.iterdir()) == []


def test_a_folder_is_deleted_through_the_proxy(client, run, tmp_path):
    client.log_text(run.info.run_id, "a", "kept.txt")
    client.log_text(run.info.run_id, "b", "gone/b.txt")
    repository = repository_of(run)
    repository.delete_artifacts("gone")
    assert names(client.list_artifacts(run.info.run_id)) == [("kept.txt", False, 1)]
    repository.delete_artifacts()
    assert client.list_artifacts(run.info.run_id) == []


def test_projects_have_files_of_their_own(client, run, http):
    client.log_text(run.info.run_id, "mine", "a.txt")
    path = f"{ART}artifacts/{folder(run)}/a.txt"
    assert http.get(path).text == "mine"
    other = {"X-MLFLOW-WORKSPACE": "other"}
    assert http.get(path, headers=other).status_code == 404
    assert http.delete(path, headers=other).status_code == 404
    assert http.get("/get-artifact", params={"run_id": run.info.run_id, "path": "a.txt"}, headers=other).status_code == 404


def test_a_run_s_files_are_listed_and_had_by_its_id(client, run, http):
    id = run.info.run_id
    client.log_text(id, "<script>", "page/index.html")
    client.log_text(id, "b", "page/b")
    listed = http.get("/api/2.0/mlflow/artifacts/list", params={"run_id": id, "path": "page"}).json()
    assert listed == {
        "root_uri": run.info.artifact_uri,
        "files": [
            {"path": "page/b", "is_dir": False, "file_size": 1},
            {"path": "page/index.html", "is_dir": False, "file_size": 8},
        ],
    }
    got = http.get("/get-artifact", params={"run_uuid": id, "path": "page/index.html"})
    assert got.text == "<script>"
    assert got.headers["content-disposition"].startswith("attachment") and got.headers["x-content-type-options"] == "nosniff"
    posted = http.post("/ajax-api/2.0/mlflow/upload-artifact", params={"run_uuid": id, "path": "sent/c.txt"}, content=b"c")
    assert posted.status_code == 200 and repository_of(run).list_artifacts("sent")[0].file_size == 1
    for params in ({"run_id": id}, {"path": "a"}, {"run_id": "nobody", "path": "a"}, {"run_id": id, "path": "nowhere"}):
        assert http.get("/get-artifact", params=params).json()["error_code"] in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")


def test_a_logged_model_s_files_are_listed_and_had_by_its_id(client, http):
    model = client.create_logged_model("0", name="m")
    client.log_model_artifact(model.model_id, __file__)
    path = f"/api/2.0/mlflow/logged-models/{model.model_id}/artifacts/directories"
    assert [(file["path"], file["is_dir"]) for file in http.get(path).json()["files"]] == [("test_artifacts.py", False)]
    assert http.get(path).json()["root_uri"] == model.artifact_location
    assert http.get(path, params={"artifact_directory_path": ".."}).status_code == 400
    assert [file.path for file in client.list_logged_model_artifacts(model.model_id)] == ["test_artifacts.py"]
    page = f"/ajax-api/2.0/mlflow/logged-models/{model.model_id}/artifacts/files"
    assert "by its id" in http.get(page, params={"artifact_file_path": "test_artifacts.py"}).text
    assert http.get(page, params={"artifact_file_path": "nowhere"}).status_code == 404
    assert http.get(path.replace("m-", "x-")).status_code == 404


def test_long_listings_of_a_run_come_in_pages(client, run, http, monkeypatch):
    monkeypatch.setattr("noria.server.mlflow.artifacts.PAGE", 2)
    for n in range(5):
        client.log_text(run.info.run_id, "x", f"d/{n}")
    found, token = [], None
    while True:
        page = http.get(
            "/api/2.0/mlflow/artifacts/list", params={"run_id": run.info.run_id, "path": "d", **({"page_token": token} if token else {})}
        ).json()
        found += [file["path"] for file in page["files"]]
        if not (token := page.get("next_page_token")):
            break
    assert found == [f"d/{n}" for n in range(5)]


@pytest.mark.parametrize(
    ("asked", "status", "got", "told"),
    [
        (None, 200, slice(None), None),
        ("bytes=0-3", 206, slice(0, 4), "bytes 0-3/26"),
        ("bytes=20-", 206, slice(20, None), "bytes 20-25/26"),
        ("bytes=-6", 206, slice(-6, None), "bytes 20-25/26"),
        ("bytes=-99", 206, slice(None), "bytes 0-25/26"),
        ("bytes=10-99", 206, slice(10, None), "bytes 10-25/26"),
        ("bytes=26-", 416, slice(0), "bytes */26"),
        ("bytes=-0", 416, slice(0), "bytes */26"),
        ("bytes=4-3", 200, slice(None), None),
        ("bytes=0-1,4-5", 200, slice(None), None),
        ("lines=1-2", 200, slice(None), None),
        ("bytes=-", 200, slice(None), None),
    ],
)
def test_ranges_are_answered_as_http_has_them(client, run, http, asked, status, got, told):
    content = b"abcdefghijklmnopqrstuvwxyz"
    client.log_text(run.info.run_id, content.decode(), "a.txt")
    answer = http.get(f"{ART}artifacts/{folder(run)}/a.txt", headers={"Range": asked} if asked else {})
    assert (answer.status_code, answer.content, answer.headers.get("content-range")) == (status, content[got], told)


def test_a_file_has_a_tag_and_a_digest_by_which_it_is_known_again(client, run, http):
    client.log_text(run.info.run_id, "water", "a.txt")
    path = f"{ART}artifacts/{folder(run)}/a.txt"
    whole, looked_at = http.get(path), http.head(path)
    assert (looked_at.status_code, looked_at.content, looked_at.headers["content-length"]) == (200, b"", "5")
    tag, digest = whole.headers["etag"], hashlib.sha256(b"water")
    assert tag == f'"{digest.hexdigest()}"'
    assert whole.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert http.get(path, headers={"If-None-Match": f'"other", {tag}'}).status_code == 304
    assert http.get(path, headers={"Range": "bytes=0-1", "If-Range": tag}).status_code == 206
    assert http.get(path, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).status_code == 200


def test_a_body_that_is_not_what_its_digest_says_is_refused(run, http):
    path = f"{ART}artifacts/{folder(run)}/a.txt"
    right = base64.b64encode(hashlib.sha256(b"water").digest()).decode()
    for name, value in (
        ("Repr-Digest", f"sha-256=:{right}:"),
        ("Content-Digest", f"sha-512=:x:, sha-256=:{right}:"),
        ("Digest", f"SHA-256={right}"),
    ):
        assert http.put(path, content=b"water", headers={name: value}).status_code == 200
        refused = http.put(path, content=b"wine!", headers={name: value})
        assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert http.get(path).text == "water"


@pytest.mark.parametrize("path", ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "a/%252e%252e/b", "a%5c..%5cb", "a//b", "."])
def test_no_path_leads_out_of_the_store(run, url, path):
    """By hand, for clients tidy such paths up before they send them."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    for method in ("PUT", "GET", "DELETE"):
        with socket.create_connection((host, port)) as connection:
            connection.sendall(
                f"{method} {ART}artifacts/{folder(run)}/{path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
            said = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert b" 400 " in said.splitlines()[0] and b"Invalid path" in said, said


def test_an_upload_that_is_broken_off_leaves_nothing(run, url, http, tracking):
    host, port = urlsplit(url).hostname, urlsplit(url).port
    with socket.create_connection((host, port)) as connection:
        connection.sendall(
            f"PUT {ART}artifacts/{folder(run)}/a.txt HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 3000000\r\n\r\n".encode()
            + b"x" * 2_000_000
        )
    give_up = time.monotonic() + 60
    while not tracking.blobs.room.exists() or any(tracking.blobs.room.iterdir()):
        assert time.monotonic() < give_up
        time.sleep(0.01)
    assert http.get(f"{ART}artifacts/{folder(run)}/a.txt").status_code == 404


def test_a_damaged_file_does_not_come_whole(client, run, http, tracking):
    client.log_text(run.info.run_id, "w" * 3_000_000, "a.txt")
    (digest,) = tracking.blobs.digests()
    place = tracking.blobs.path(digest)
    place.chmod(0o644)
    place.write_bytes(b"w" * 2_999_999 + b"x")
    with pytest.raises(httpx.RemoteProtocolError):
        http.get(f"{ART}artifacts/{folder(run)}/a.txt")


def test_large_files_go_up_in_parts_by_the_client_s_own_ways(client, run, tmp_path, monkeypatch, tracking):
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1000")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", "300000")
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE", "200000")
    content = bytes(range(251)) * 10_000
    (tmp_path / "large.bin").write_bytes(content)
    client.log_artifact(run.info.run_id, str(tmp_path / "large.bin"), "deep/er")
    (blob,) = tracking.blobs.held()
    assert blob.size_bytes == len(content) and sum(file.stat().st_size for file in tracking.blobs.room.rglob("*")) < 100_000
    got = downloaded(run, "deep/er/large.bin", tmp_path)
    with open(got, "rb") as file:
        assert file.read() == content


def test_an_upload_in_parts_can_be_resumed_and_aborted(run, http, tracking):
    created = http.post(f"{ART}mpu/create/{folder(run)}", json={"path": "/home/ada/x.bin", "num_parts": 3}).json()
    id, urls = created["upload_id"], [part["url"] for part in created["credentials"]]
    tags = [http.put(url, content=part).headers["etag"] for url, part in zip(urls, (b"aaa", b"bbb"), strict=False)]
    come = http.get(f"{ART}mpu/part/{id}").json()
    assert [(part["part_number"], part["etag"]) for part in come["parts"]] == [(1, tags[0]), (2, tags[1])] and come["num_parts"] == 3
    complete = {"path": "x.bin", "upload_id": id, "parts": []}
    assert "part 3 of 3 has not come" in http.post(f"{ART}mpu/complete/{folder(run)}", json=complete).json()["message"]
    assert http.put(urls[2], content=b"cc").status_code == 200
    for _ in range(2):
        assert http.post(f"{ART}mpu/complete/{folder(run)}", json=complete).status_code == 200
    assert http.get(f"{ART}artifacts/{folder(run)}/x.bin").text == "aaabbbcc"
    assert http.put(urls[0], content=b"aaa").status_code == 404
    other = http.post(f"{ART}mpu/create/{folder(run)}", json={"path": "y", "num_parts": 2}).json()["upload_id"]
    assert http.get(f"{ART}mpu/part/{other}", headers={"X-MLFLOW-WORKSPACE": "other"}).status_code == 404
    assert http.post(f"{ART}mpu/abort/{folder(run)}", json={"path": "y", "upload_id": other}).status_code == 200
    assert http.get(f"{ART}mpu/part/{other}").status_code == http.get(f"{ART}mpu/part/{id}").status_code == 404
    assert not (tracking.blobs.room / f"upload-{other}").exists()


def test_addresses_of_parts_carry_what_the_caller_showed_and_are_kept_by_nobody(run, http, client):
    client.log_text(run.info.run_id, "water", "a b.txt")
    shown = {"Authorization": "Bearer secret", "X-MLFLOW-WORKSPACE": "default"}
    created = http.post(f"{ART}mpu/create/{folder(run)}", json={"path": "x", "num_parts": 1}, headers=shown)
    signed = http.get(f"{ART}presigned/{folder(run)}/a b.txt", headers=shown)
    assert created.headers["cache-control"] == signed.headers["cache-control"] == "no-store"
    assert created.json()["credentials"][0]["headers"] == signed.json()["headers"] == shown
    assert signed.json()["file_size"] == 5
    assert http.get(signed.json()["url"], headers={"Range": "bytes=1-2"}).text == "at"


def test_files_that_another_store_keeps_are_not_listed_here(client, http):
    elsewhere = client.create_experiment("elsewhere", artifact_location="s3://bucket/x")
    run = client.create_run(elsewhere)
    asked = http.get("/api/2.0/mlflow/artifacts/list", params={"run_id": run.info.run_id})
    assert asked.status_code == 400 and "kept at s3://bucket/x" in asked.json()["message"]


def test_a_full_disk_is_told_with_a_status_that_clients_do_not_come_again_for(run, http, monkeypatch):
    def full(self, piece):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("noria.ports.incoming.Incoming.write", full)
    monkeypatch.setattr("noria.ledger.artifacts.uploads.PartWriter.write", full)
    part = http.post(f"{ART}mpu/create/{folder(run)}", json={"path": "x", "num_parts": 1}).json()["credentials"][0]["url"]
    for url in (f"{ART}artifacts/{folder(run)}/a.txt", part):
        refused = http.put(url, content=b"water")
        assert (refused.status_code, refused.json()["error_code"]) == (507, "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize("direct", [False, True])
def test_a_store_on_s3_takes_the_same_files_and_hands_them_out_itself_where_it_may(s3, tmp_path, monkeypatch, direct):
    import mlflow

    from noria.adapters.s3 import S3

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name in ("UPLOAD", "DOWNLOAD"):
        monkeypatch.setenv(f"MLFLOW_ENABLE_PROXY_MULTIPART_{name}", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1000")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", "5000000")
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE", "4000000")
    store, wall = Sqlite(tmp_path / "noria.db"), SystemClock()
    blobs = S3(s3.bucket(tmp_path), cache=tmp_path / "cache", cache_bytes=1, endpoint=s3.endpoint)
    tracking = Tracking(store=store, ledger=Ledger(store, clock=wall, wall=wall), blobs=blobs, wall=wall, direct_downloads=direct)
    (tmp_path / "large.bin").write_bytes(bytes(range(251)) * 50_000)

    async def machine(headers, *, method, address):
        return LOCAL

    with serving(MlflowApp(tracking, ENDPOINTS, callers=machine, hosts=("127.0.0.1",))) as url:
        mlflow.set_tracking_uri(url)
        client = mlflow.MlflowClient(url)
        run = client.create_run("0")
        client.log_text(run.info.run_id, "small", "small.txt")
        client.log_artifact(run.info.run_id, str(tmp_path / "large.bin"))
        link = httpx.get(f"{url}{ART}presigned/{folder(run)}/large.bin").json()["url"]
        assert link.startswith(s3.endpoint if direct else url)
        got = downloaded(run, "", tmp_path / "out")
        assert (
            httpx.get(f"{url}{ART}artifacts/{folder(run)}/large.bin", headers={"Range": "bytes=8388600-8388620"}).content
            == (tmp_path / "large.bin").read_bytes()[8_388_600:8_388_621]
        )
    store.close()
    assert (tmp_path / "out" / "small.txt").read_text() == "small" and got
    assert (tmp_path / "out" / "large.bin").read_bytes() == (tmp_path / "large.bin").read_bytes()
