"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from vibe_router.errors import UsageError

BundleArgument = Annotated[
    str | None,
    typer.Argument(metavar="BUNDLE", help="Folder, or hf://org/name on the hub; default: the bundled one."),
]
BundleOption = Annotated[
    str | None, typer.Option("--bundle", "-b", help="Folder, or hf://org/name on the hub; default: the bundled one.")
]
EngineOption = Annotated[
    str,
    typer.Option(
        help="auto, native-cpu, onnx-cpu, onnx-cuda, onnx-cuda-graphs, coreml, coreml-cpu, coreml-gpu, coreml-ane."
    ),
]
PrecisionOption = Annotated[str, typer.Option(help="auto, or a precision of the bundle such as fp32 or int8.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="CPU threads; default: the CPUs this process may use.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def check_unused(why: str, hint: str, **given: bool) -> None:
    """Check that no option is given that would be ignored; `given` says of each by its name whether it is.

    Raises:
        UsageError: one is; the message is its name and `why`.
    """
    for name, is_given in given.items():
        if is_given:
            raise UsageError(f"--{name.replace('_', '-')} {why}", hint=hint)
