"""The program as tests run it: in this process with its streams caught, and what it says with ids and times masked."""

from __future__ import annotations

import atexit
import io
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from merge_bot.cli.main import main
from tests.repo import Repo

UTC = "2026-03-25T03:14:22.000001Z"
INBOX = "state/stream_deltas"
_MASKS = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "<sha256>"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "<commit>"),
    (re.compile(r"\b[0-9a-f]{32}(?=\.)"), "<digest>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<short>"),
)


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*arguments: object, stdin: bytes = b"", encoding: str = "utf-8") -> Said:
    """`dreamcatcher ARGUMENTS`, with nobody at a terminal."""
    out, err = io.BytesIO(), io.BytesIO()
    streams = [io.TextIOWrapper(stream, encoding=encoding, write_through=True) for stream in (out, err)]
    given = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]), patch.object(sys, "stdin", given):
        code = main([str(one) for one in arguments])
    return Said(code, out.getvalue().decode(encoding), err.getvalue().decode(encoding))


def masked(text: str, *places: Path) -> str:
    """`text` without what differs from run to run."""
    for place in places:
        text = text.replace(str(place), "<repo>")
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


def begun(repo: Repo, frame: int = 405) -> Repo:
    """A repository in which `frame` is open: begun once, then copied."""
    shutil.copytree(_template(frame), repo.path, dirs_exist_ok=True)
    return repo


@cache
def _template(frame: int) -> Path:
    folder = tempfile.mkdtemp(prefix="dreamcatcher-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    done = run("init", folder, "--frame", frame)
    assert done.code == 0, done.err
    return Path(folder)


def delta(stream_id: str, frame: int = 405, utc: str = UTC, **operations: Any) -> bytes:
    """A delta's bytes."""
    return json.dumps({"frame": frame, "stream_id": stream_id, "utc": utc, **operations}).encode()


def deliver(repo: Repo, *deltas: bytes) -> None:
    """Put deltas into the work tree's inbox under the names that they should have."""
    for data in deltas:
        content = json.loads(data)
        repo.write(f"{INBOX}/frame-{content['frame']}-{content['stream_id']}.json", data)


def listing(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes, those of `.git` included."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in _files(folder)}


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
