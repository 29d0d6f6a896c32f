"""Mutations of everything that others write or may have changed: the frame lands, or stops with a letter.

Each function here tries one input. Anything but a DreamcatcherError that comes out of it is a bug, and so is work
beyond what the size of the input explains: calls are counted, not seconds, so that a busy machine finds nothing that
is not there. What a single call into C does is not seen, nor what other processes do.
`tests/test_fuzz.py` runs them by hypothesis alone, `tests/fuzz_atheris.py` lets coverage lead.
"""

from __future__ import annotations

import atexit
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merge_bot.canonical import digest
from merge_bot.delta import file_name
from merge_bot.errors import DreamcatcherError
from merge_bot.findings import Rejection
from merge_bot.manifest import parse_manifest
from merge_bot.paths import Paths
from merge_bot.resources import example_schemas
from merge_bot.schemas import load
from merge_bot.settings import Settings
from merge_bot.state import MemoryFiles
from merge_bot.validate import Rules, validate
from merge_bot.validate import given as arriving
from tests.command import INBOX, begun, run
from tests.random_deltas import EXAMPLE, VALUES, changed, places
from tests.repo import Repo
from tests.world import World, written

TRIED: dict[str, Counter[str]] = {}
BASE, A_BYTE = 400_000, 400  # calls that are allowed: for a frame, and for each byte of the input
_TOKENS = [
    b"", b"{", b"}", b"[", b"]", b'"', b":", b",", b"null", b"true", b"-0", b"1e309", b"1e-400", b"9" * 400, b"NaN",
    b"\\ud800", b"\\u0000", b"\xff", b"\xef\xbb\xbf", b"\x00", b"\n", b"\r\n", b"<<<<<<< ours\n", b"&a ", b"*a ",
    b"!!python/object:x ", b"? ", b"- ", b"__proto__", b"/../", b"%00", b"'", b"{" * 300, b"[" * 3000,
]  # fmt: skip
WORDS = st.sampled_from(
    [
        "append", "observe", "sum", "union", "last-writer-wins", "file", "entities", "segments", "posts", "agents",
        "stats", "id", "number", "agent_id", "author", "$ref", "#", "#/properties/id", "https://example.com/x", "state",
        "..", "a/b", "_control", "_expect", "hold", "latest", "array", "object", "string", "integer", "(a+)+$",
        "[", "^", "*",
    ]
)  # fmt: skip
NUMBERS = st.sampled_from([0, -1, 1, 405, 2**31, 2**53, 2**63, 2**64, 10**30, 0.5, -0.0, 1e308, 6195.0])
ANYTHING = st.one_of(VALUES, WORDS, NUMBERS, st.lists(st.one_of(WORDS, NUMBERS), max_size=3))


class TooMuchWork(Exception):
    """More calls than the size of the input explains."""


@contextmanager
def bounded(size: int) -> Iterator[None]:
    """Raises TooMuchWork where the block makes more calls than an input of so many bytes may cost."""
    left = BASE + A_BYTE * size

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal left
        left -= event == "call" or event == "c_call"
        if left < 0:
            sys.setprofile(None)
            raise TooMuchWork(f"{size} bytes took more than {BASE + A_BYTE * size} calls, now in {frame.f_code}")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)


def tried(what: str, data: bytes, act: Callable[[], str]) -> None:
    """Try one input, and count how it ended."""
    with bounded(len(data)):
        try:
            end = act()
        except DreamcatcherError as letter:
            assert str(letter).strip(), "a letter without a word"
            end = "letter"
    TRIED.setdefault(what, Counter())[end] += 1


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """A JSON value with up to four places replaced, removed, doubled, or renamed."""
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 2, 4]))):
        new = draw(ANYTHING)
        how = draw(st.sampled_from(["replace", "replace", "drop", "twice", "add", "rename"]))

        def change(old: Any, how: str = how, new: Any = new) -> Any:
            if isinstance(old, dict) and old and how in ("drop", "rename"):
                (_, one), *rest = old.items()
                return dict(rest) if how == "drop" else {**dict(rest), str(new)[:40]: one}
            if isinstance(old, list) and old and how in ("drop", "twice"):
                return old[1:] if how == "drop" else [*old, old[0]]
            if isinstance(old, dict) and how == "add":
                return {**old, str(new)[:40]: new}
            return [*old, new] if isinstance(old, list) and how == "add" else new

        value = changed(value, draw(st.sampled_from(places(value))), change)
    return value


@st.composite
def torn(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes that are cut, or have something put in or over them, now and then."""
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 1, 2]))):
        at = draw(st.integers(0, len(data)))
        token = draw(st.one_of(st.sampled_from(_TOKENS), st.binary(max_size=4)))
        over = draw(st.sampled_from([0, 0, 1, len(token), 40, len(data)]))
        data = data[:at] + token + data[at + over :]
    return data


@st.composite
def documents(draw: st.DrawFn, value: Any) -> bytes:
    return draw(torn(json.dumps(draw(mutated(value))).encode()))


# --- a world in memory


@cache
def _schemas() -> dict[str, bytes]:
    return {f"schemas/{path.rpartition('/')[2]}": data for path, data in example_schemas().items()}


def _people(seconds: float, stream: str, frame: int, mark: str) -> tuple[str, bytes]:
    return written(
        stream, seconds, frame,
        profile_updates=[{"agent_id": f"agent-{one}", "name": one, "bio": mark, "karma": 1} for one in ("aria", "kai")],
        channels_updated=[{"slug": "philosophy", "name": "P"}],
        posts_created=[{"number": 6195 + frame, "title": mark, "channel": "philosophy", "author": "agent-kai"}],
        comments_added=[{"id": mark, "post_number": 6195 + frame, "author": "agent-kai", "body": mark},
                        {"id": f"{mark}-waits", "post_number": 1, "author": "agent-kai", "body": mark}],
        soul_updates=[{"agent_id": "agent-kai", "observation": mark}],
        follows_added=[{"agent_id": "agent-aria", "follows": "agent-kai"}],
        stats_increments={"total_posts": 1},
    )  # fmt: skip


@cache
def _world() -> World:
    """Two merged frames of the example world: conflicts are open, records wait, one delta is in quarantine."""
    collections, problems = load(_schemas())
    assert not problems
    world = World(collections, frame=404)
    world.run(_people(0, "w1", 404, "one"), _people(1, "w2", 404, "two"), ("frame-404-w3.json", b"{"))
    return world


def _fresh() -> World:
    old = _world()
    return World(old.collections, MemoryFiles(dict(old.files.files)), old.frame)


def files() -> dict[str, bytes]:
    """The files of the world in memory."""
    return _world().files.files


def run_with(path: str, data: bytes) -> None:
    """A frame of two deltas on the world, one file of which is this."""
    world = _fresh()
    world.files.files[path] = data
    world.run(_people(9, "w1", 405, "three"), _people(10, "w2", 405, "four"))


# --- what is tried


@given(documents(EXAMPLE))
def a_delta(data: bytes) -> None:
    """One bad delta never stops a frame, and never takes another delta with it."""

    def act() -> str:
        world = _fresh()
        verdict = validate(arriving("frame-405-stream-3.json", data), world.rules)
        name = "frame-405-stream-3.json"
        if isinstance(verdict, Rejection):
            assert verdict.problems and all(one.message for one in verdict.problems)
        else:
            name = file_name(verdict.frame, verdict.stream_id)
        try:
            ran = world.run((name, data), _people(9, "good", 405, "good"))
        except DreamcatcherError as stopped:
            raise AssertionError("a delta stopped the frame") from stopped
        assert ran.outcomes[f"{world.paths.inbox}/frame-405-good.json"] == "applied"
        return ran.outcomes.get(f"{world.paths.inbox}/{name}", "held")

    tried("deltas", data, act)


SETTINGS: dict[str, Any] = {
    "state": "state", "schemas": "schemas", "grace-seconds": 30, "clock-tolerance-seconds": 300,
    "max-delta-bytes": 1048576, "enrolment": "listed", "workers": {"w1": ["posts"]}, "operators": ["operator"],
    "lease": {"silent-frames": 20, "silent-seconds": 60}, "conflicts": {"agents": {"bio": "hold"}, "stats": "latest"},
    "breaker": 10, "foreign-edits": "auto", "delta": {"aliases": {"completed_at": "utc"}, "ignore": ["x"]},
    "author": {"name": "Bot", "email": "bot@example.com"},
}  # fmt: skip


@given(documents(SETTINGS))
def settings_file(data: bytes) -> None:
    """Settings load, or one letter names every mistake; what loads can be used. (JSON is YAML.)"""

    def act() -> str:
        settings = Settings.load(data)
        Rules(_world().collections, settings)
        return "loaded"

    tried("settings", data, act)


@given(st.data())
def a_schema(data: st.DataObject) -> None:
    """A schema has no fault and merges what it allows, or each fault has its letter."""
    path = data.draw(st.sampled_from(sorted(_schemas())))
    new = data.draw(documents(json.loads(_schemas()[path])))

    def act() -> str:
        collections, problems = load({**_schemas(), path: new})
        if problems:
            assert all(one.message for one in problems)
            return "refused"
        world = World(collections, MemoryFiles(dict(_world().files.files)), 405)
        ran = world.run(_people(9, "w1", 405, "three"))
        return "merged" if "applied" in ran.outcomes.values() else "delta refused"

    tried("schemas", new, act)


@given(st.data())
def a_state_file(data: st.DataObject) -> None:
    """State that is not as a merge left it, or gone: the next frame reads it as it is, or names it and stops."""
    path = data.draw(st.sampled_from(sorted(files())))
    old = files()[path]
    if path.endswith(".json"):
        new = data.draw(documents(json.loads(old)))
    elif path.endswith(".jsonl"):
        new = data.draw(torn(b"".join(data.draw(documents(json.loads(one))) + b"\n" for one in old.splitlines())))
    else:
        new = data.draw(torn(old))

    def act() -> str:
        run_with(path, new)
        return "landed"

    tried("state files", new, act)


MANIFEST: dict[str, Any] = {
    "frame": 405, "kind": "merge", "time": "2026-03-25T04:00:00.000000Z", "base": "0" * 40, "state_tree": "1" * 40,
    "counts": {"posts": 3}, "files": {"state/stats.json": {"sha256": "a" * 64, "records": 1}},
    "deltas": [{"delta": "b" * 64, "outcome": "applied", "source": "state/stream_deltas/frame-405-w1.json",
                "stream_id": "w1", "utc": "2026-03-25T03:00:00Z", "frame": 405, "blob": "2" * 40,
                "file": "state/frames/000/000405/deltas/x.json"}],
    "settings": None, "schemas": {"schemas/posts.schema.json": "3" * 40}, "adopted": {}, "previous": "c" * 64,
    "rules": 1, "marks": {"w1": "4" * 40}, "kept_from": 3, "rolled_back": 2,
}  # fmt: skip


@given(documents(MANIFEST))
def a_manifest(data: bytes) -> None:
    """A manifest is read whole, or a letter says why not; what was read can be written again."""

    def act() -> str:
        manifest = parse_manifest(data, Paths().manifest(405), 405)
        parse_manifest(manifest.as_bytes(), Paths().manifest(405), 405)
        return "read"

    tried("manifests", data, act)


# --- a repository


@cache
def _repository() -> tuple[Repo, str, dict[str, bytes]]:
    """Two merged frames and a delta that waits, in a bare repository: where it is, its tip, and its files."""
    place = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    clone = begun(Repo.init(place / "clone"), 404)
    for frame in (404, 405, 406):
        for number, mark in enumerate(("one", "two")):
            name, data = _people(frame * 10 + number, f"w{number}", frame, f"{mark}-{frame}")
            clone.write(f"{INBOX}/{name}", data)
        clone.write(f"{INBOX}/frame-{frame}-w3.json", b"{")
        if frame == 406:
            clone.git("add", "--all")
            clone.git("-c", "user.name=f", "-c", "user.email=f@f", "commit", "--quiet", "--message", "deltas")
        else:
            done = run("merge", "--repo", clone.path)
            assert done.code == 0, done.err
    clone.git("clone", "--quiet", "--bare", str(clone.path), str(place / "bare"))
    bare = Repo(place / "bare")
    names = [path for path in bare.files() if not path.endswith((".gitignore", ".gitattributes"))]
    return bare, bare.head, {path: _show(bare, path) for path in names}


def _show(repo: Repo, path: str) -> bytes:
    return f"{repo.git('show', f'HEAD:{path}')}\n".encode("utf-8", "surrogateescape")


def _put(repo: Repo, tip: str, files: dict[str, bytes]) -> None:
    """Make main these files more than `tip`, as the next commit of somebody else."""
    tree = {path: f"100644 {repo.git('hash-object', '-w', '--stdin', stdin=data)}" for path, data in files.items()}
    index = repo.path / "fuzz.index"
    lines = "".join(f"{about}\t{path}\n" for path, about in tree.items()).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_INDEX_FILE", str(index))
        repo.git("read-tree", tip)
        repo.git("update-index", "--add", "--index-info", stdin=lines)
        made = repo.git("write-tree")
    who = ("-c", "user.name=f", "-c", "user.email=f@f")
    repo.git("update-ref", "refs/heads/main", repo.git(*who, "commit-tree", made, "-p", tip, "-m", "by hand"))


COMMANDS = (("merge",), ("verify", "--jobs", "1"), ("status",), ("log",), ("receipts", "--worker", "w1"))


@given(st.data())
def a_committed_file(data: st.DataObject) -> None:
    """Whatever somebody commits over any file of ours, no command ends in a traceback. A manifest that was changed is
    given the digest that it is looked for by, or nothing behind that would be reached."""
    repo, tip, there = _repository()
    path = data.draw(st.sampled_from(sorted(there)))
    old = there[path]
    new = data.draw(documents(json.loads(old)) if path.endswith(".json") and old != b"{\n" else torn(old))
    also: dict[str, bytes] = {}
    if path == Paths().manifest(405):
        meta = json.loads(there[Paths().meta])
        also[Paths().meta] = json.dumps(meta | {"manifest": digest(new)}).encode()
    _put(repo, tip, {path: new, **also})
    for command in data.draw(st.permutations(COMMANDS))[:3]:
        said = run(*command, "--repo", repo.path)
        assert said.code in (0, 1, 75) and "Traceback" not in said.err, f"{command} {path}: {said.err}"
        TRIED.setdefault("files of a repository", Counter())[f"{command[0]} {said.code}"] += 1


ALL: tuple[Callable[[], None], ...] = (a_delta, settings_file, a_schema, a_state_file, a_manifest, a_committed_file)
