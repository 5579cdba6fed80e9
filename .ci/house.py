"""The rules of the house, checked: sizes, no import cycle, no arrow upward, no recipe in the wheel.

    python .ci/house.py

Prints each broken rule with its file and ends with exit code 1 where there is one. docs/architecture.md draws the map.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 60
# A package may import those that stand before it. Each is a folder that holds it.
LAYERS = (
    ("vibe_router", "runtime"),
    ("vibe_router_gateway", "runtime"),
    ("vibe_router_tools", "runtime"),
    ("vibe_router_export", "export"),
    ("vibe_router_training", "training"),
    ("nano", "training"),
    ("benchmarks", "."),
    ("tests", "."),
)
# Functions of the product only, with signature and docstring; a measurement or a test may be one long story.
PRODUCT = ("vibe_router", "vibe_router_gateway", "vibe_router_tools", "vibe_router_export", "vibe_router_training")
_ORDER = {name: place for place, (name, _) in enumerate(LAYERS)}


def main() -> int:
    """Print what is broken; return the exit code."""
    trees = {file: ast.parse(file.read_text("utf-8")) for file in _files()}
    modules = {_module(file): file for file in trees}
    imports = {name: _imports(trees[file], name, modules) for name, file in modules.items()}
    broken = [*_sizes(trees), *_upward(trees, modules), *_cycles(imports), *_wheel()]
    for line in sorted(broken):
        print(line)  # noqa: T201
    return 1 if broken else 0


def _files() -> Iterator[Path]:
    for name, folder in LAYERS:
        yield from sorted((ROOT / folder / name).rglob("*.py"))


def _module(file: Path) -> str:
    """Return the dotted name of a file."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] in ("runtime", "export", "training") else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _sizes(trees: Mapping[Path, ast.Module]) -> Iterator[str]:
    for file, tree in trees.items():
        place = file.relative_to(ROOT)
        lines = len(file.read_text("utf-8").splitlines())
        if lines > MOST_LINES:
            yield f"{place}: {lines} lines, more than {MOST_LINES}"
        if _module(file).split(".")[0] not in PRODUCT:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MOST_LINES_OF_A_FUNCTION:
                    yield f"{place}:{node.lineno}: {node.name} has {length} lines, more than {MOST_LINES_OF_A_FUNCTION}"


def _upward(trees: Mapping[Path, ast.Module], modules: Mapping[str, Path]) -> Iterator[str]:
    """Yield imports, at the top or inside a function, of a package that stands after the importer's."""
    for name, file in modules.items():
        package = name.split(".")[0]
        for node in ast.walk(trees[file]):
            for target in _targets(node):
                other = target.split(".")[0]
                if _ORDER.get(other, -1) > _ORDER[package]:
                    yield f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}: {package} imports {target}"


def _targets(node: ast.AST) -> list[str]:
    """Return the dotted names that an import statement may load."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def _imports(tree: ast.Module, name: str, modules: Mapping[str, Path]) -> set[str]:
    """Return the modules of this project that `tree` imports while it is itself imported."""
    found: set[str] = set()
    for node in _at_import(tree):
        found.update(target for target in _targets(node) if target in modules and target != name)
    return found


def _at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run at import: not those in functions, nor under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _at_import(child)


def _cycles(imports: Mapping[str, set[str]]) -> Iterator[str]:
    """Yield each import cycle once, found by a depth-first walk."""
    done: set[str] = set()
    path: list[str] = []

    def walk(name: str) -> Iterator[str]:
        if name in path:
            yield "import cycle: " + " -> ".join([*path[path.index(name) :], name])
            return
        if name in done:
            return
        path.append(name)
        for target in sorted(imports[name]):
            yield from walk(target)
        path.pop()
        done.add(name)

    for name in imports:
        yield from walk(name)


def _wheel() -> Iterator[str]:
    """Yield recipes of single artefacts that stand inside a package which the wheel carries."""
    for package in PRODUCT:
        folder = dict(LAYERS)[package]
        if (ROOT / folder / package / "nano").exists():
            yield f"{folder}/{package}/nano: a recipe in the wheel"


if __name__ == "__main__":
    sys.exit(main())
