"""`router-export lint`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vibe_router.extras import require_extra
from vibe_router_export.commands.inputs import require_libraries
from vibe_router_export.commands.options import JsonOption
from vibe_router_export.emit.coreml.quiet import quiet_coremltools
from vibe_router_tools.console.output import print_json


def lint(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="A saved .mlpackage.")], as_json: JsonOption = False
) -> None:
    """Check that a Core ML package can stay on the Neural Engine; exit code 1 where it cannot."""
    require_libraries()
    require_extra("Reading Core ML packages", extra="coreml", modules=("coremltools",))
    with quiet_coremltools():
        from vibe_router_export.emit.coreml.lint import lint as lint_package
        from vibe_router_export.lint_report import lint_summary, lint_text
        from vibe_router_export.proof.mil_interpreter.package import read_package

        report = lint_package(read_package(package))
    if as_json:
        print_json(lint_summary(report))
    else:
        typer.echo(lint_text(report))
    if report.violations:
        raise typer.Exit(1)
