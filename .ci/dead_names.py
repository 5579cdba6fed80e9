"""Dead names: functions, classes, constants and methods that nothing outside the tests mentions.

    python .ci/dead_names.py

A mention is a name, an attribute, a keyword or a string that is that name, in any Python file but the tests, or a word
in code of a document. Importing a name is no mention. Names that a library calls are in `CALLED_BY_OTHERS`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("runtime", "export", "training", "native", "benchmarks", "examples", ".ci")
CALLED_BY_OTHERS = {
    # Tests look at them.
    *("process_id", "examples_of"),
    # hatchling, PyInstaller, transformers' Trainer and its callbacks.
    *("NativeLibraryHook", "initialize", "get_hook_dirs", "hook", "excludedimports"),
    *("compute_loss", "_get_train_sampler", "on_train_begin", "on_step_end", "on_log", "on_evaluate", "set_epoch"),
    # LiteLLM and Open WebUI.
    *("Filter", "inlet", "classify", "async_pre_call_hook", "narrow", "pre_call"),
    # Ray.
    "get_filename_for_task",
    # For applications; the API page is generated from them.
    *("aroute_many", "route_chat", "aroute_chat"),
}
# Code in documents: between backquotes or fences.
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
# A name, or a place such as "module:function".
_REFERENCE = re.compile(r"\w+([.:]\w+)*")
_WORD = re.compile(r"[A-Za-z_]\w*")


def main() -> int:
    """Print dead names; return the exit code."""
    trees = {
        file: ast.parse(file.read_text("utf-8")) for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))
    }
    mentioned = set(CALLED_BY_OTHERS)
    for tree in trees.values():
        mentioned.update(_mentions(tree))
    for document in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")):
        mentioned.update(_WORD.findall(" ".join(_CODE.findall(document.read_text("utf-8")))))
    dead = [
        f"{file.relative_to(ROOT)}:{line}: {name} is mentioned nowhere"
        for file, tree in trees.items()
        for name, line in _definitions(tree)
        if name not in mentioned and not name.startswith("__")
    ]
    for line in dead:
        print(line)  # noqa: T201
    return 1 if dead else 0


def _definitions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield names and lines of what a module defines at its top, and of its classes' methods."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield part.name, part.lineno
        if isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                yield from ((name.id, node.lineno) for name in names if isinstance(name, ast.Name))


def _mentions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _REFERENCE.fullmatch(node.value):
            yield from _WORD.findall(node.value)


if __name__ == "__main__":
    sys.exit(main())
