"""All contenders of a measurement: the workers that run, and what became of each, so that none is silently dropped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers.client import Worker, WorkerError
from benchmarks.peers.contenders.definition import Contender
from benchmarks.peers.outcome import Outcome, Status
from benchmarks.peers.sources import NotMeasurableError, Sources


@dataclass
class Team:
    """The workers that run, and the outcome of every contender."""

    workers: list[Worker] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def add(self, contender: Contender, sources: Sources, *, threads: int) -> Worker | None:
        """Start a contender; return None, with its outcome noted, where it cannot run."""
        try:
            worker = Worker(contender, sources, threads=threads)
        except NotMeasurableError as error:
            self._note(contender, error.status, str(error), {})
            return None
        except WorkerError as error:
            self._note(contender, Status.FAILED, str(error), {})
            return None
        self.workers.append(worker)
        self._note(contender, Status.MEASURED, "", worker.versions)
        return worker

    def drop(self, worker: Worker, reason: str) -> None:
        """Take a worker that failed out of the team and note why."""
        self.workers.remove(worker)
        self._note(worker.contender, Status.FAILED, reason, worker.versions)
        worker.close()

    def ask(self, worker: Worker, operation: str, **arguments: Any) -> dict[str, Any] | None:
        """As `Worker.ask`; a worker that fails is dropped, and None returned."""
        try:
            return worker.ask(operation, **arguments)
        except WorkerError as error:
            self.drop(worker, str(error))
            return None

    def close(self) -> None:
        """End all processes."""
        for worker in self.workers:
            worker.close()

    def _note(self, contender: Contender, status: Status, detail: str, versions: dict[str, str]) -> None:
        self.outcomes[contender.key] = Outcome.of(contender, status, detail, versions)


@contextmanager
def assembled(contenders: Sequence[Contender], sources: Sources, *, threads: int) -> Iterator[Team]:
    """Give a team of all contenders that run, and end their processes afterwards."""
    team = Team()
    try:
        for contender in contenders:
            team.add(contender, sources, threads=threads)
        yield team
    finally:
        team.close()
