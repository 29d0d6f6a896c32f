"""The map in the docstring of `merge_bot` is the architecture: every module stands on it, and imports go one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "merge_bot"
TREES = {path.relative_to(PACKAGE): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
FACE = Path("__init__.py")  # hands on names from everywhere, so it stands outside of the map
LAYERS = [line.split() for line in (ast.get_docstring(TREES[FACE]) or "").splitlines() if line.startswith("    ")]
MODULES = {path.with_suffix("").parts[0] for path in TREES if path != FACE}
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
OUTSIDE = (
    "asyncio",
    "github",
    "http.client",
    "os",
    "pathlib",
    "requests",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
)


def imports(path: Path) -> Iterator[str]:
    """Every dotted name that a module imports, those inside functions too: `merge_bot.delta.Delta`."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ["merge_bot", *path.parent.parts]
            base = package[: len(package) + 1 - node.level] if node.level else []
            yield from (".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names)


def test_every_module_is_on_the_map_once_and_every_name_on_it_exists() -> None:
    named = [name for names in LAYERS for name in names]
    assert [name for name in sorted(MODULES) if named.count(name) != 1] == []
    assert [name for name in named if name not in MODULES] == []


def test_imports_go_to_the_same_line_of_the_map_or_above() -> None:
    wrong = [
        f"merge_bot/{path} imports {name}"
        for path in sorted(TREES)
        if (mine := LEVEL.get(path.with_suffix("").parts[0])) is not None
        for name in imports(path)
        if name.startswith("merge_bot.") and name != "merge_bot.__version__"
        if (module := name.split(".")[1]) not in MODULES or LEVEL.get(module, 0) > mine
    ]
    assert wrong == []


def test_what_calls_itself_pure_imports_nothing_that_reaches_outside() -> None:
    wrong = [
        f"merge_bot/{path} imports {name}"
        for path in sorted(TREES)
        if (ast.get_docstring(TREES[path]) or "").startswith("Pure.")
        for name in imports(path)
        if any(f"{name}.".startswith(f"{module}.") for module in OUTSIDE)
    ]
    assert wrong == []
