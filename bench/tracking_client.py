"""What a training pays for being tracked: python bench/tracking_client.py [POINTS]

Points told one by one, against a bare append of the very same bytes in the same process; the same while a
server takes them; what begins and ends cost, each in a process of its own.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from noria.client import kept
from noria.client.entries import points
from noria.client.place import Place
from noria.client.run import Run, wall_ms
from noria.core.frames import framed

ROUNDS = 5


class Stub(BaseHTTPRequestHandler):
    """Takes whatever comes, in a process of its own."""

    protocol_version = "HTTP/1.1"
    taken = 0

    def do_POST(self):
        body = gzip.decompress(self.rfile.read(int(self.headers["content-length"])))
        count = body.count(b'{"at":')
        Stub.taken += count
        self._say({"taken": count})

    def do_GET(self):
        self._say({"taken": Stub.taken})

    def _say(self, content):
        told = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_):
        pass


def serve() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


Spent = tuple[float, float]
"""Seconds on the clock, and of this thread's processor: the machine may be busy with others."""


def spent() -> Spent:
    return time.perf_counter(), time.thread_time()


def since(begun: Spent) -> Spent:
    now = spent()
    return now[0] - begun[0], now[1] - begun[1]


def least(one: Spent, other: Spent) -> Spent:
    return min(one[0], other[0]), min(one[1], other[1])


def bare(folder: Path, count: int) -> Spent:
    """Seconds of appending the same frames, made beforehand."""
    frames = [framed(points(wall_ms(), step, {"loss": 1 / (step + 1)})) for step in range(count)]
    descriptor = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC)
    begun = spent()
    for frame in frames:
        os.write(descriptor, frame)
    took = since(begun)
    os.close(descriptor)
    return took


def told(where: Place, count: int) -> tuple[Spent, Run]:
    """Seconds of telling points one by one."""
    run = Run("bench", experiment="bench", where=where, capture=False, system_every_s=0)
    begun = spent()
    for step in range(count):
        run.log(loss=1 / (step + 1), step=step)
    return since(begun), run


def begin(url: str) -> dict[str, float]:
    """Milliseconds of a script's import, begin and end, the whole of it captured."""
    code = (
        "import json, time\n"
        "def ms(): return time.perf_counter() * 1e3, time.process_time() * 1e3\n"
        "a = ms(); import noria as nr; nr.run; b = ms(); run = nr.run('x', params={'a': 1}); c = ms()\n"
        "run.log(loss=1.0); run._companion and run._companion.captured.wait(10); d = ms(); run.end(); e = ms()\n"
        "print(json.dumps([[y - x for x, y in zip(*pair)] for pair in ((a, b), (b, c), (c, d), (d, e))]))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NORIA_SPOOL": folder, "NORIA_URL": url}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    names = ("import", "begin", "capture", "end")
    return {
        f"{name} {what}": value
        for name, pair in zip(names, json.loads(done.stdout), strict=True)
        for what, value in zip(("wall", "CPU"), pair, strict=True)
    }


def main(count: int) -> None:
    stub = subprocess.Popen([sys.executable, __file__, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{int(stub.stdout.readline())}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        best = dict.fromkeys(("bare append", "told, offline", "told, while sending"), (1e9, 1e9))
        sent = 1e9
        for _ in range(ROUNDS):
            best["bare append"] = least(best["bare append"], bare(folder, count))
            took, run = told(Place(url="", spool=folder / "spool", offline=True), count)
            run.end()
            best["told, offline"] = least(best["told, offline"], took)
            begun = time.perf_counter()
            took, run = told(Place(url=url, spool=folder / "spool"), count)
            assert run.flush(60)
            sent = min(sent, time.perf_counter() - begun)
            run.end()
            assert not kept.files_of(run._spool.folder)
            best["told, while sending"] = least(best["told, while sending"], took)
        for what, (wall, cpu) in best.items():
            share, pace = best["bare append"][1] / cpu, f"{count / wall:12,.0f} points/s"
            print(
                f"{what:22} {pace}   {cpu / count * 1e6:6.2f} us of CPU: {count / cpu:9,.0f} points/s of it, {share:5.2f} of a bare append"
            )
        print(f"{'told and with a server':22} {count / sent:12,.0f} points/s")
        times = [begin(url) for _ in range(ROUNDS)]
        for what in times[0]:
            print(f"{what:22} {min(one[what] for one in times):12,.1f} ms")
    stub.stdin.close()
    stub.wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
