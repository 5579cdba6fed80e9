"""How servers run the router: loaded before the fork, by gunicorn and by multiprocessing; children route and end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket

import pytest

from tests.support.native import needs_native_engine
from vibe_router import Router

ENGINES = [pytest.param("native-cpu", marks=needs_native_engine), "onnx-cpu"]
PROMPT = "Design a distributed consensus algorithm"
SERVED = """
import os
from vibe_router import Router

router = Router.load(engine="ENGINE", threads=2)
# A call before the fork: its threads are not there afterwards.
router.route("hi", timeout=60)

def application(environ, start_response):
    decision = router.route(environ["QUERY_STRING"].replace("+", " "), timeout=60)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {decision.target.value} {decision.p_cloud!r} {decision.engine}".encode()]
"""
SETTINGS = """
bind = "unix:SOCKET"
workers = 2
preload_app = True
control_socket_disable = True
"""
FORKED = """
import multiprocessing, sys
from vibe_router import Router

def work(router, results):
    results.put((router.route(sys.argv[2]).p_cloud, router.route(sys.argv[2], timeout=60).p_cloud))

if __name__ == "__main__":
    router = Router.load(engine=sys.argv[1], threads=2)
    expected = router.route(sys.argv[2], timeout=60).p_cloud
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    children = [fork.Process(target=work, args=(router, results)) for _ in range(4)]
    for child in children:
        child.start()
    assert all(results.get() == (expected, expected) for _ in children)
    for child in children:
        child.join()
    with fork.Pool(2) as pool:
        assert [one.p_cloud for one in pool.map(router.route, [sys.argv[2]] * 8)] == [expected] * 8
        pool.close()
        pool.join()
    assert [child.exitcode for child in children] == [0] * 4
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


class UnixConnection(HTTPConnection):
    """A connection to a server on a socket of the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket(AF_UNIX, SOCK_STREAM)
        self.sock.connect(str(self._path))


@contextmanager
def gunicorn(folder: Path, engine: str) -> Iterator[subprocess.Popen[str]]:
    (folder / "served.py").write_text(SERVED.replace("ENGINE", engine))
    (folder / "settings.py").write_text(SETTINGS.replace("SOCKET", str(folder / "socket")))
    command = [sys.executable, "-m", "gunicorn", "-c", "settings.py", "served:application"]
    server = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        yield server
    finally:
        server.kill()
        server.communicate()


def wait_for_workers(server: subprocess.Popen[str]) -> None:
    assert server.stderr is not None
    booted = 0
    for line in server.stderr:
        booted += "Booting worker" in line
        if booted == 2:
            return
    raise AssertionError("gunicorn has ended")


def ask(path: Path) -> list[str]:
    connection = UnixConnection(path)
    connection.request("GET", "/?" + PROMPT.replace(" ", "+"))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200, text
    return text.split()


@pytest.mark.parametrize("engine", ENGINES)
def test_gunicorn_with_preloading(tmp_path: Path, engine: str) -> None:
    with Router.load(engine=engine, threads=1) as router:
        expected = router.route(PROMPT)
    with gunicorn(tmp_path, engine) as server:
        wait_for_workers(server)
        answers = [ask(tmp_path / "socket") for _ in range(40)]
        # Whichever takes the connections, both end below.
        assert {tuple(rest) for _, *rest in answers} == {(expected.target.value, repr(expected.p_cloud), engine)}
        server.send_signal(signal.SIGTERM)
        assert server.stderr is not None
        said = server.stderr.read()
        assert server.wait() == 0
    assert "Shutting down: Master" in said
    assert not [word for word in ("SIGKILL", "SIGABRT", "SIGSEGV", "Traceback", "TIMEOUT") if word in said], said


@pytest.mark.parametrize("engine", ENGINES)
def test_multiprocessing_with_fork(tmp_path: Path, engine: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(FORKED)
    command = [sys.executable, "-W", "ignore", str(program), engine, PROMPT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
