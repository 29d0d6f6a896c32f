"""A block that fails, or a process that is told to end, leaves a fallback and never half a delta."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from merge_bot import SlotTaken, Worker, write_delta
from merge_bot.delta import Delta, parse_utc
from merge_bot.errors import DeliveryFailed
from merge_bot.validate import given, validate
from tests.work_tree import POST, inbox, rules, work_tree

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return work_tree(tmp_path / "world", monkeypatch)


class Strange(Exception):
    pass


Strange.__name__ = "::error::\n"


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValueError("a secret"), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SystemExit(0), "SystemExit"),
        (GeneratorExit(), "GeneratorExit"),
        (Strange(), "Exception"),
    ],
)
def test_a_block_that_raises_leaves_a_fallback_and_the_exception_goes_on(
    root: Path, error: BaseException, name: str
) -> None:
    with pytest.raises(type(error)) as caught, Worker("w1", root=root, run="r", epoch=2) as w:
        w.add("posts", POST)
        raise error
    assert caught.value is error
    assert not getattr(error, "__notes__", [])
    written = inbox(root)["frame-405-w1.r.json"]
    assert parse_utc(written.pop("utc")) is not None
    meta = {"status": "fallback", "error": name, "run": "r", "epoch": 2}
    assert written == {"frame": 405, "stream_id": "w1", "_meta": meta}
    assert w.path is not None
    delta = validate(given(w.path.name, w.path.read_bytes()), rules())
    assert isinstance(delta, Delta) and delta.is_fallback and delta.is_empty


def test_a_fallback_gives_way_to_the_real_delta_and_never_the_other_way(root: Path) -> None:
    def fail(**more: Any) -> None:
        with pytest.raises(ZeroDivisionError) as caught, Worker("w1", root=root, **more):
            raise ZeroDivisionError
        assert not getattr(caught.value, "__notes__", [])

    fail()
    assert inbox(root)["frame-405-w1.json"]["_meta"]["status"] == "fallback"
    with Worker("w1", root=root) as w:
        w.add("posts", POST)
    fail(replace=True)
    assert inbox(root)["frame-405-w1.json"]["posts_created"] == [POST]


def test_when_leaving_fails_a_fallback_is_left_and_the_failure_goes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.replace, []

    def fail_once(*given: Any) -> None:
        calls.append(given)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        real(*given)

    monkeypatch.setattr(os, "replace", fail_once)
    with pytest.raises(DeliveryFailed, match="No space left on device"), Worker("w1", root=root) as w:
        w.add("posts", POST)
    assert inbox(root)["frame-405-w1.json"]["_meta"] == {"status": "fallback", "error": "DeliveryFailed"}


def test_another_one_s_delta_that_came_meanwhile_stays(root: Path) -> None:
    with pytest.raises(SlotTaken), Worker("w1", root=root) as w:
        w.add("posts", POST)
        write_delta(405, {"posts_created": [{**POST, "number": 1}]}, stream_id="w1", root=root)
    assert inbox(root)["frame-405-w1.json"]["posts_created"][0]["number"] == 1


def test_a_fallback_that_cannot_be_left_does_not_hide_the_exception(root: Path) -> None:
    with pytest.raises(ZeroDivisionError) as caught, Worker("w1", root=root):
        (root / "state" / "stream_deltas").write_text("")
        raise ZeroDivisionError
    assert caught.value.__notes__ == [
        f"No fallback delta could be left: {root}/state/stream_deltas is not a folder, so no delta can be delivered "
        "there and nothing was written. Move it away; the folder is made when it is missing."
    ]


@pytest.fixture
def own_handler() -> Iterator[list[int]]:
    """The program has a handler of its own for SIGTERM, which notes each signal and returns."""
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    yield seen
    signal.signal(signal.SIGTERM, before)


def test_a_process_that_is_told_to_end_leaves_a_fallback(root: Path) -> None:
    script = f"""
import signal
from merge_bot import Worker
with Worker("w1", root={str(root)!r}) as w:
    w.add("posts", {POST!r})
    print("ready", flush=True)
    signal.pause()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        _, stderr = process.communicate()
    assert (process.returncode, stderr) == (143, b"")
    assert inbox(root)["frame-405-w1.json"]["_meta"] == {"status": "fallback", "error": "SIGTERM"}


def test_sigterm_ends_the_block_and_the_former_handling_comes_back(root: Path) -> None:
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    with pytest.raises(SystemExit) as caught, Worker("w1", root=root):
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert list(inbox(root)) == ["frame-405-w1.json"]


def test_a_handler_that_was_there_runs_first_and_comes_back(root: Path, own_handler: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit), Worker("w1", root=root):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            assert own_handler == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before


def test_where_sigterm_is_ignored_it_stays_ignored(root: Path) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Worker("w1", root=root) as w:
            signal.raise_signal(signal.SIGTERM)
            w.add("posts", POST)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
    assert inbox(root)["frame-405-w1.json"]["posts_created"] == [POST]


def test_in_another_thread_a_worker_works_without_it(root: Path) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with Worker("w1", root=root) as w:
                assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
                w.add("posts", POST)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []
    assert len(inbox(root)) == 1


def test_workers_in_each_other_all_leave_fallbacks(root: Path) -> None:
    with pytest.raises(SystemExit), Worker("w1", root=root), Worker("w2", root=root):
        signal.raise_signal(signal.SIGTERM)
    errors = {name: one["_meta"]["error"] for name, one in inbox(root).items()}
    assert errors == {"frame-405-w1.json": "SIGTERM", "frame-405-w2.json": "SIGTERM"}
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_delta_that_is_being_written_is_finished_before_the_process_ends(
    root: Path, monkeypatch: pytest.MonkeyPatch, own_handler: list[int]
) -> None:
    real = os.replace

    def in_the_middle(*given: Any) -> None:
        signal.raise_signal(signal.SIGTERM)
        assert own_handler == []
        real(*given)

    monkeypatch.setattr(os, "replace", in_the_middle)
    with pytest.raises(SystemExit) as caught, Worker("w1", root=root) as w:
        w.add("posts", POST)
    assert (caught.value.code, own_handler) == (143, [signal.SIGTERM])
    assert inbox(root)["frame-405-w1.json"]["posts_created"] == [POST]


@pytest.mark.parametrize("way", ["leaves the block", "is told to end"])
def test_a_forked_process_leaves_nothing_of_its_parent_s(root: Path, way: str) -> None:
    with Worker("w1", root=root) as w:
        w.add("posts", POST)
        child = os.fork()
        if not child:
            try:
                if way == "is told to end":
                    signal.raise_signal(signal.SIGTERM)
                else:
                    w.__exit__(None, None, None)
            finally:
                os._exit(3)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == (3 if way == "leaves the block" else -signal.SIGTERM)
        assert inbox(root) == {}
    assert len(inbox(root)) == 1
