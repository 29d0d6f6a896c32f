"""The policy step: a command of the user's own decides open conflicts after a merge.

It gets `{"frame": the open one, "conflicts": [{collection, key, field, frame, policy, value, candidates}]}` on standard
input and answers with a delta on standard output that holds `_control` alone, and there nothing but `resolve`. The
delta goes where every delta goes, so the next merge decides it. The command runs with a bare environment (no tokens), a
time limit and a limit of bytes; whatever it does wrong, the frame is as it was, and a letter says what happened.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merge_bot import conflict_letters as letters
from merge_bot.asking import ask
from merge_bot.conflicts import Conflict, Conflicts
from merge_bot.control_schema import CONTROL, MAX_REQUESTS, compiled
from merge_bot.delta_schema import ENVELOPE
from merge_bot.errors import DreamcatcherError
from merge_bot.report import conflict_data
from merge_bot.strict_json import parse, pointer
from merge_bot.wording import violation

if TYPE_CHECKING:
    from merge_bot.frame import Result
    from merge_bot.run import Place
    from merge_bot.settings import PolicyStep
    from merge_bot.target import Target

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""All of the environment that the command sees."""
_SAID = 4_000
_CHUNK = 65_536


def take_policy_step(
    place: Place, results: Iterable[Result], now: datetime, *, folder: str | os.PathLike[str], target: Target | None
) -> list[str]:
    """After a frame has landed: ask the settings' command about what is open, and send what it decides.

    It runs in `folder`; its delta goes to `target`, or else into the inbox of the work tree there. Returns what is to
    be said; never raises for what the command does.
    """
    if not any(one.frame is not None and one.published.operation == "pushed" for one in results):
        return []
    base = place.unchecked(anew=True)
    step = base.settings.policy_step
    conflicts = list(Conflicts.read(base.files, base.paths).all()) if step.command else []
    if not conflicts:
        return []
    try:
        requests = decisions(step, conflicts, base.meta.frame, folder, base.settings.max_delta_bytes)
        if not requests:
            return []
        asked = ask(requests, stream_id=step.stream, now=now, root=folder, target=target)
    except DreamcatcherError as error:
        return [str(error)]
    return [letters.step_decided(len(requests), len(conflicts), [one.path for one in asked])]


def decisions(
    step: PolicyStep, conflicts: Sequence[Conflict], frame: int, folder: str | os.PathLike[str], limit: int
) -> list[dict[str, Any]]:
    """What the command answers, each a `resolve`. Raises DreamcatcherError if that is not what it answers."""
    if not os.path.isdir(folder):
        raise DreamcatcherError(letters.step_has_no_folder(str(folder)))
    question = json.dumps({"frame": frame, "conflicts": [conflict_data(one) for one in conflicts]}).encode()
    data = _run(step, question, folder, limit)
    if not data.strip():
        return []
    read = parse(data, letters.STEP)
    if read.problems:
        raise DreamcatcherError(letters.step_wrong(step.command, read.problems[0].message))
    if not isinstance(read.value, dict) or set(read.value) - {CONTROL, *ENVELOPE}:
        raise DreamcatcherError(letters.step_wrong(step.command, letters.STEP_ANSWERS_OTHERWISE))
    requests = read.value.get(CONTROL, [])
    if not isinstance(requests, list) or len(requests) > MAX_REQUESTS:
        raise DreamcatcherError(letters.step_wrong(step.command, letters.STEP_ANSWERS_OTHERWISE))
    for at, one in enumerate(requests):
        for finding in compiled("resolve").findings(one):
            where = pointer(CONTROL, at, *finding.path)
            raise DreamcatcherError(letters.step_wrong(step.command, f"{where}: {violation(finding)}"))
    return requests


def _run(step: PolicyStep, question: bytes, folder: str | os.PathLike[str], limit: int) -> bytes:
    """What the command prints. Raises DreamcatcherError if it fails, takes too long, or prints too much."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with tempfile.TemporaryFile() as given:
        given.write(question)
        given.seek(0)
        process = subprocess.Popen(
            ["/bin/sh", "-c", step.command], stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=Path(folder), env=environment, start_new_session=True,
        )  # fmt: skip
    try:
        out, err = _read(process, time.monotonic() + step.seconds, limit)
        if out is None:
            raise DreamcatcherError(letters.step_too_slow(step.command, step.seconds))
        if len(out) > limit:
            raise DreamcatcherError(letters.step_too_long(step.command, limit))
        if process.wait() != 0:
            raise DreamcatcherError(letters.step_failed(step.command, process.returncode, err.decode(errors="replace")))
        return out
    finally:
        _end(process)


def _read(process: subprocess.Popen[bytes], end: float, limit: int) -> tuple[bytes | None, bytes]:
    """Standard output, one byte more than `limit` at most, and the last of standard error; None if time was up."""
    assert process.stdout and process.stderr
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, end - time.monotonic()))
            if not ready and time.monotonic() >= end:
                return None, bytes(err)
            for key, _ in ready:
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    err = (err + data)[-_SAID:]
                else:
                    out += data
                    if len(out) > limit:
                        return bytes(out), bytes(err)
        return bytes(out), bytes(err)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the command with all that it started, and let go of its pipes."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
    process.wait()
