"""The coordinator's side of a worker: start it, let it compute on request only, end it."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from types import TracebackType
from typing import IO, Any

from benchmarks.peers.contenders.definition import Contender
from benchmarks.peers.sources import NotInstalledError, Sources, environment


class WorkerError(Exception):
    """A worker failed or died; the message says how."""


class Worker:
    """A contender's process; stopped between requests, where the system can, so that none of its threads spins."""

    def __init__(self, contender: Contender, sources: Sources, *, threads: int) -> None:
        """Start the process and wait until it has loaded.

        Raises:
            NotMeasurableError: it cannot be prepared, or a library is not installed (NotInstalledError).
            WorkerError: loading failed.
        """
        load = sources.load(contender, threads=threads)
        paths = {"checkpoint": load.checkpoint, "bundle": load.bundle, "artifact": load.artifact}
        request = {name: None if path is None else str(path) for name, path in paths.items()} | {"threads": threads}
        self.contender = contender
        self._errors: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [str(sources.python(contender)), "-m", "benchmarks.peers.worker", contender.key, json.dumps(request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env=environment(threads=threads),
        )
        try:
            ready = self._answer()
            if "missing" in ready:
                raise NotInstalledError(", ".join(ready["missing"]))
        except BaseException:
            self.close()
            raise
        self.versions: dict[str, str] = ready["versions"]
        self.loaded_peak: int | None = ready["peak"]
        self._pause()

    @property
    def process_id(self) -> int:
        """The process's id."""
        return self._process.pid

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Let the process compute one answer.

        Raises:
            WorkerError: it failed or died.
        """
        stream = self._process.stdin
        if stream is None:
            raise WorkerError("the worker has no input")
        self._resume()
        try:
            stream.write(json.dumps({"operation": operation, **arguments}) + "\n")
            stream.flush()
            return self._answer()
        except BrokenPipeError as error:
            raise WorkerError(self._last_words()) from error
        finally:
            self._pause()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self) -> dict[str, Any]:
        stream = self._process.stdout
        line = "" if stream is None else stream.readline()
        if not line:
            raise WorkerError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return f"ended with exit code {code}" + (f": {lines[-1]}" if lines else "")

    def _pause(self) -> None:
        self._signal("SIGSTOP")

    def _resume(self) -> None:
        self._signal("SIGCONT")

    def _signal(self, name: str) -> None:
        number = getattr(signal, name, None)
        if number is not None and self._process.poll() is None:
            self._process.send_signal(number)
