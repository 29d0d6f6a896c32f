"""A delta file when things go wrong (killed, interrupted, full, raced): it is the old one or the new one."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from merge_bot import delivery
from merge_bot.delivery import deliver, write_atomically
from merge_bot.errors import DeliveryFailed, SlotTaken
from tests.work_tree import INBOX, NAME, delta, files


def in_a_child(act: Callable[[], None]) -> int:
    """Run `act` in a forked process; its exit status, or minus the signal that ended it."""
    child = os.fork()
    if not child:
        try:
            act()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


SPOKEN, OTHER = delta(posts_created=[{"number": 1}]), delta(posts_created=[{"number": 2}])
SILENT, TRIED = delta(), delta(_meta={"status": "fallback"})


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path) -> None:
    place = deliver(tmp_path, INBOX, NAME, TRIED)

    letter = f"The delta could not be written to {place}: File too large. Nothing half-written stands there."

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with pytest.raises(DeliveryFailed) as caught:
            deliver(tmp_path, INBOX, NAME, delta(posts_created=["x" * 5000]))
        assert str(caught.value) == letter

    assert in_a_child(fill) == 0
    assert files(tmp_path) == {NAME: TRIED}


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_an_operation_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    deliver(tmp_path, INBOX, NAME, TRIED)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(DeliveryFailed, match="Input/output error"):
        deliver(tmp_path, INBOX, NAME, SPOKEN)
    assert files(tmp_path) == {NAME: TRIED}


def test_an_interruption_leaves_what_was_there(tmp_path: Path) -> None:
    deliver(tmp_path, INBOX, NAME, TRIED)

    def interrupt(_: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / INBOX, NAME, SPOKEN, interrupt)
    assert files(tmp_path) == {NAME: TRIED}


def test_the_bytes_are_on_the_disk_before_they_have_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def note(*given: Any, real: Callable[..., Any] = real, name: str = name) -> None:
            order.append(name)
            real(*given)

        monkeypatch.setattr(os, name, note)
    write_atomically(tmp_path, NAME, SPOKEN)
    assert order == ["fsync", "replace", "fsync"]


def test_looking_and_renaming_happen_under_one_lock(tmp_path: Path) -> None:
    def look(place: Path) -> None:
        handle = os.open(place.parent, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)

    write_atomically(tmp_path, NAME, SPOKEN, look)
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)


def test_of_writers_at_once_one_wins_and_the_others_are_told(tmp_path: Path) -> None:
    versions = [delta(posts_created=[{"number": number, "body": "x" * 3000}]) for number in range(6)]
    for at in range(15):
        name, (start, go) = f"frame-{at}-w1.json", os.pipe()
        children = []
        for version in versions:
            child = os.fork()
            if not child:
                os.close(go)
                os.read(start, 1)  # returns when the parent closes its end: all go together
                try:
                    deliver(tmp_path, INBOX, name, version)
                except SlotTaken:
                    os._exit(5)
                os._exit(0)
            children.append(child)
        os.close(start)
        os.close(go)
        ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert sorted(ends) == [0, 5, 5, 5, 5, 5]
        assert files(tmp_path)[name] == versions[ends.index(0)]
    assert len(files(tmp_path)) == 15


@pytest.mark.parametrize("old", [None, TRIED])
def test_killed_at_any_operation_the_file_is_the_old_one_or_the_new_one(tmp_path: Path, old: bytes | None) -> None:
    """Each call into the interpreter's C code (all system calls are among them) in turn is the one never made."""
    new = delta(posts_created=[{"number": 1, "body": "x" * 100_000}])
    seen, left_over, at, status = [], 0, 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        at += 1
        root = tmp_path / str(at)
        root.mkdir()
        if old is not None:
            deliver(root, INBOX, NAME, old)

        def die(left: int = at, root: Path = root) -> None:
            def count(frame: object, event: str, called: object) -> None:
                nonlocal left
                if event == "c_call":
                    left -= 1
                    if left == 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.setprofile(count)
            deliver(root, INBOX, NAME, new)
            sys.setprofile(None)

        status = in_a_child(die)
        found = files(root) if (root / INBOX).exists() else {}
        seen.append(found.pop(NAME, None))
        assert [name for name in found if not (name.startswith(f".{NAME}.") and name.endswith(".tmp"))] == []
        left_over += len(found)
    assert status == 0
    assert seen == [old] * seen.count(old) + [new] * seen.count(new)
    assert left_over > 0
    assert seen.count(new) > 1
    assert seen.count(old) > 20


def test_where_there_are_no_locks_files_are_still_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "fcntl", None)
    monkeypatch.delattr(os, "O_DIRECTORY")
    deliver(tmp_path, INBOX, NAME, SPOKEN)
    with pytest.raises(SlotTaken):
        deliver(tmp_path, INBOX, NAME, OTHER)
    assert files(tmp_path) == {NAME: SPOKEN}
