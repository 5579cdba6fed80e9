"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

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
