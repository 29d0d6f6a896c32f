"""What all reports have in common: the machine that was measured on, tables, and JSON beside the markdown."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
"""Where the reports are kept in this repository."""


def machine() -> dict[str, Any]:
    """What the numbers hang on. The load tells whether others used the machine as well; call this before measuring."""
    git = subprocess.run(["git", "--version"], stdout=subprocess.PIPE, check=True, text=True).stdout.split()[2]
    load = round(os.getloadavg()[0], 1)
    return {"cores": os.cpu_count(), "load before": load, "Python": platform.python_version(), "git": git}


def table(lines: Sequence[Sequence[str]], words: int = 1) -> Iterator[str]:
    """A heading and rows, in markdown; the first columns, `words` of them, are no numbers."""
    heading, *body = lines
    yield "| " + " | ".join(heading) + " |"
    yield "|" + "---|" * words + "---:|" * (len(heading) - words)
    for line in body:
        yield "| " + " | ".join(line) + " |"


def heading(title: str, command: str, where: Mapping[str, Any]) -> list[str]:
    """A report's first lines."""
    of = ", ".join(f"{name} {value}" for name, value in where.items())
    return [f"# {title}", "", f"Written by `{command}` ({of}).", ""]


def keep(output: Path, value: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Write a report as JSON and as markdown; `output` is its path without an ending."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(value, indent=2) + "\n", "utf-8")
    output.with_suffix(".md").write_text("\n".join(lines).rstrip("\n") + "\n", "utf-8")
