"""The child process: reads inputs from stdin, gives them to a subject, answers each with a line of JSON.

python -m benchmarks.hardening.fuzzing.worker TARGET FOLDER
input: 8 bytes of length, then the bytes; output: {"kind": ..., "detail": ...}
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from pathlib import Path

_MEMORY = 8 * 2**30


def main() -> None:
    """Answer until stdin ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    # What a native library prints must not be taken for an answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    from benchmarks.hardening.fuzzing.subjects import Folders, judge
    from benchmarks.hardening.fuzzing.tamper import all_subjects

    subject = all_subjects()[sys.argv[1]](Folders.below(Path(sys.argv[2])))
    answers.write("ready\n")
    answers.flush()
    while header := sys.stdin.buffer.read(8):
        content = sys.stdin.buffer.read(struct.unpack("<Q", header)[0])
        outcome = judge(subject.check, content)
        answers.write(json.dumps({"kind": outcome.kind.value, "detail": outcome.detail}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
