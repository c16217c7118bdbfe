"""A server in this process that takes entries as the real one does, or misbehaves on demand."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from noria.client.place import Place


class Taking(ThreadingHTTPServer):
    """Keeps what arrives; `manner` is how it answers."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.manner = "well"
        self.entries = {}
        self.files = {}
        self.asked = 0
        self.let_go = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def told(self, run, kind):
        return [one[kind] for one in self.entries.get(run, []) if kind in one]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(gzip.decompress(self.rfile.read(int(self.headers["content-length"]))))
        self.server.asked += 1
        manner = self.server.manner
        if manner == "hangs":
            self.server.let_go.wait(60)
            self.close_connection = True
            return None
        if manner == "garbage":
            return self._answer(200, b"<html>welcome</html>")
        if manner == "other":
            return self._answer(200, b'{"ok": true}')
        if manner == "fails":
            return self._answer(500, b"{}")
        if manner == "forbids":
            return self._answer(401, b'{"error": {"message": "show a token"}}')
        taken, refused = 0, []
        for part in body["runs"]:
            for entry in part["entries"]:
                if manner == "picky" and "poison" in json.dumps(entry):
                    return self._answer(422, b'{"error": {"message": "poison"}}')
                if "wrong" in entry.get("tags", {}):
                    refused.append({"index": taken, "message": "a wrong tag"})
                self.server.entries.setdefault(part["run"], []).append(entry)
                taken += 1
        return self._answer(200, json.dumps({"taken": taken, "refused": refused}).encode())

    def do_GET(self):
        run = self.path.partition("run_id=")[2]
        self._answer(200, json.dumps({"run": {"info": {"artifact_uri": f"mlflow-artifacts:/1/{run}/artifacts"}}}).encode())

    def do_PUT(self):
        if self.server.manner == "keeps no files":
            self.rfile.read(int(self.headers["content-length"]))
            self._answer(404, b"{}")
            return
        self.server.files[self.path] = self.rfile.read(int(self.headers["content-length"]))
        self._answer(200, b"{}")

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.server.manner == "hangs up":
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    taking = Taking()
    thread = threading.Thread(target=taking.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield taking
    taking.let_go.set()
    taking.shutdown()
    taking.server_close()


@pytest.fixture
def here(server, tmp_path):
    return Place(url=server.url, spool=tmp_path / "spool")
