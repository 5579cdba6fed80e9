"""Busy neighbours: processes that take a processor while a contender is measured, and count what they get done.

    python -m benchmarks.peers.neighbours KIND FILE

runs one until it is killed. FILE holds one int64, the units of work done so far.
"""

from __future__ import annotations

import mmap
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_COUNT = struct.Struct("<q")
_STREAM_BYTES = 64 * 2**20
_READY_SECONDS = 120.0


def _spinning() -> Callable[[], object]:
    return lambda: sum(range(20_000))


def _streaming() -> Callable[[], object]:
    import numpy as np

    source, target = np.ones(_STREAM_BYTES // 8), np.empty(_STREAM_BYTES // 8)
    return lambda: np.copyto(target, source)


def _generating() -> Callable[[], object]:
    """Return a step that generates one token: a Llama of 25 million random weights with a cache of 256 tokens."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=8192,
        hidden_size=512,
        intermediate_size=1408,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=8,
    )
    model = LlamaForCausalLM(config).eval()
    ids = torch.randint(0, config.vocab_size, (1, 256))
    with torch.inference_mode():
        cache = model(ids, use_cache=True).past_key_values

    def step() -> object:
        with torch.inference_mode():
            cache.crop(256)
            return model(ids[:, -1:], past_key_values=cache, use_cache=True).logits.argmax()

    return step


def serve(kind: str, file: Path) -> None:
    """Work until the process is killed, counting in `file`."""
    step = {"spinning": _spinning, "streaming": _streaming, "generating": _generating}[kind]()
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), _COUNT.size) as memory:
        done = 0
        while True:
            step()
            done += 1
            _COUNT.pack_into(memory, 0, done)


class Neighbours:
    """Running neighbours of one kind; stopped except within `working`."""

    def __init__(self, kind: str, files: list[Path], processes: list[subprocess.Popen[bytes]]) -> None:
        self.kind = kind
        self._files = files
        self._processes = processes

    def done(self) -> int:
        """Return the units of work that all of them have done."""
        return sum(int(_COUNT.unpack(file.read_bytes())[0]) for file in self._files)

    def rate(self, seconds: float) -> float:
        """Return the units a second while nothing else is measured, over some seconds."""
        before, started = self.done(), time.perf_counter()
        time.sleep(seconds)
        return (self.done() - before) / (time.perf_counter() - started)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Let them work within the block."""
        self._signal("SIGCONT")
        try:
            yield
        finally:
            self._signal("SIGSTOP")

    def _signal(self, name: str) -> None:
        import signal

        for process in self._processes:
            process.send_signal(getattr(signal, name))


@contextmanager
def neighbours(kind: str, count: int) -> Iterator[Neighbours]:
    """Give `count` neighbours that have begun to work and are stopped; end them afterwards.

    Raises:
        RuntimeError: one of them ended, or did not begin to work.
    """
    with tempfile.TemporaryDirectory() as folder:
        files, processes = [], []
        try:
            for number in range(count):
                files.append(Path(folder) / str(number))
                files[-1].write_bytes(_COUNT.pack(0))
                command = [sys.executable, "-m", "benchmarks.peers.neighbours", kind, str(files[-1])]
                processes.append(subprocess.Popen(command))
            running = Neighbours(kind, files, processes)
            deadline = time.monotonic() + _READY_SECONDS
            while any(_COUNT.unpack(file.read_bytes())[0] == 0 for file in files):
                if any(process.poll() is not None for process in processes) or time.monotonic() > deadline:
                    raise RuntimeError(f"a neighbour that is {kind} does not work")
                time.sleep(0.05)
            running._signal("SIGSTOP")
            yield running
        finally:
            for process in processes:
                process.kill()
                process.wait()


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
