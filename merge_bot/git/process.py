"""The one place where git is started. Each command is logged before it runs, so that a log can be replayed by hand.

What runs here does not depend on who calls: the environment is stripped of everything that would point git to
another repository, index or pathspec meaning, hooks do not run, and no question is ever asked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import IO, NamedTuple

from merge_bot.errors import GitFailed, RepositoryError
from merge_bot.git import letters

# Whose settings these are: the user's own. Every other GIT_* variable (GIT_DIR, GIT_INDEX_FILE, …) is dropped, because
# `open` names the repository; one inherited from a hook would silently send the merge elsewhere.
_INHERITED = (
    "GIT_ALLOW_PROTOCOL", "GIT_ASKPASS", "GIT_AUTHOR_", "GIT_CEILING_DIRECTORIES", "GIT_COMMITTER_", "GIT_CONFIG",
    "GIT_CURL_VERBOSE", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_EXEC_PATH", "GIT_HTTP_", "GIT_PROTOCOL",
    "GIT_PROXY_", "GIT_SSH", "GIT_SSL_", "GIT_TRACE",
)  # fmt: skip

_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.quotePath": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # A rival holds a ref's lock for moments; git's own patience (100 ms) would make that look like a failure.
    "core.filesRefLockTimeout": "5000",
    "core.packedRefsTimeout": "5000",
    # Loose objects and refs too: a frame that was reported as merged should survive a power cut.
    "core.fsync": "committed,loose-object,reference",
}

_PIPE = 1 << 20  # bytes
_PATIENCE = 10  # seconds for a process to end after it was asked to


class Finished(NamedTuple):
    """How a command ended."""

    code: int
    out: bytes
    err: bytes


def raw(text: str) -> bytes:
    """A path or an argument as the bytes that git knows it by (undecodable bytes are kept as surrogates)."""
    return text.encode("utf-8", "surrogateescape")


def text(data: bytes) -> str:
    """The other way round."""
    return data.decode("utf-8", "surrogateescape")


def nothing() -> None:
    """What there mostly is to do while a command runs."""


class Git:
    """The git program, pointed at one place.

    `directory` is where it runs; `git_dir` and `work_tree` fix the repository (before it is found, None).
    `trusted` is a folder that git shall accept although it belongs to another user; `include` is a file of git
    settings that hold too.
    """

    def __init__(
        self,
        directory: str,
        git_dir: str | None = None,
        work_tree: str | None = None,
        trusted: str | None = None,
        include: str | None = None,
    ) -> None:
        self.directory = directory
        # What is included comes first, so that it overrides nothing of ours.
        settings = [("include.path", include)] if include is not None else []
        settings += _SETTINGS.items()
        if trusted is not None:
            settings.append(("safe.directory", trusted))
        self._environment = _environment(os.environ, settings)
        if git_dir is not None:
            self._environment["GIT_DIR"] = git_dir
        if work_tree is not None:
            self._environment["GIT_WORK_TREE"] = work_tree

    def tell(self, *settings: tuple[str, str]) -> None:
        """Further settings for every command from now on. By environment: they stand in no file and no argument."""
        self._environment = _told(self._environment, settings)

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        ok: Container[int] = (0,),
        writes: bool = False,
        handles: Sequence[int] = (),
        seconds: float | None = None,
        meanwhile: Callable[[], None] = nothing,
    ) -> Finished:
        """Run a command to its end. Raises GitFailed if its exit code is not in `ok`. It inherits `handles`.

        One that is to end within `seconds` and does not is ended, and TimeoutError raised. `meanwhile` is called as
        soon as it runs.
        """
        process = self._start(arguments, subprocess.PIPE, writes, handles)
        try:
            meanwhile()
            out, err = process.communicate(stdin, seconds)
        except subprocess.TimeoutExpired as silent:
            end(process)
            raise TimeoutError from silent
        except BaseException:
            end(process)
            raise
        if process.returncode not in ok:
            raise self.failed(arguments, process.returncode, err)
        return Finished(process.returncode, out, err)

    def start(self, *arguments: str, writes: bool = False) -> Running:
        """Start a command to talk to."""
        # Into a file, not a pipe: nobody reads it while the talk goes on, and a full pipe would stop git.
        stderr = unnamed()
        try:
            process = self._start(arguments, stderr, writes)
            widen(process.stdout)
            return Running(self, arguments, process, stderr)
        except BaseException:
            stderr.close()
            raise

    def into_file(self, questions: IO[bytes], answers: IO[bytes], *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command that reads one file and writes another, and is left alone meanwhile."""
        environment = {**self._environment, "GIT_OPTIONAL_LOCKS": "0"}
        return _spawn(arguments, self.directory, environment, subprocess.DEVNULL, (), questions, answers)

    def failed(self, arguments: Sequence[str], code: int, stderr: bytes) -> GitFailed:
        return GitFailed(letters.git_failed(shown(arguments), code, stderr, self.directory))

    def _start(
        self, arguments: Sequence[str], stderr: int | IO[bytes], writes: bool, handles: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        environment = self._environment if writes else {**self._environment, "GIT_OPTIONAL_LOCKS": "0"}
        return _spawn(arguments, self.directory, environment, stderr, handles)


class Running:
    """A git process that is talked to. `finish` or `stop` ends it."""

    def __init__(self, git: Git, arguments: Sequence[str], process: subprocess.Popen[bytes], stderr: IO[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self.stdin, self.stdout = process.stdin, process.stdout
        self.pid = process.pid
        self._git, self._arguments, self._process, self._stderr = git, arguments, process, stderr

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def finish(self) -> int:
        """End the input and wait; the exit code. What it still says goes unread, so it must be short."""
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        return self._process.wait()

    def stop(self) -> None:
        """End it now, whatever it does. Asked by closed pipes first: git then cleans up after itself."""
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        self.stdout.close()
        self._wait()
        self._stderr.close()

    def failure(self) -> GitFailed:
        """The letter about a process that ended too early."""
        self._wait()
        self._stderr.seek(0)
        return self._git.failed(self._arguments, self._process.returncode, self._stderr.read())

    def _wait(self) -> None:
        try:
            self._process.wait(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            end(self._process)
        except BaseException:
            end(self._process)
            raise


def unnamed() -> IO[bytes]:
    """A file for a while that nobody else sees: in memory, where that can be had without loading more."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("dreamcatcher"), "w+b")
    import tempfile

    return tempfile.TemporaryFile()


def widen(pipe: int | IO[bytes] | None) -> None:
    """Let a pipe hold more, where that can be had: both ends go on while it is neither full nor empty."""
    with contextlib.suppress(AttributeError, OSError):  # Linux alone can, and not for everybody
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)  # type: ignore[arg-type]


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and wait for it. Asked first, because git removes its lock files when it is asked."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def shown(arguments: Sequence[str]) -> str:
    """A command as the log shows it: to be pasted into a shell, without its secrets."""
    import shlex  # nobody waits for what is shown

    return letters.masked(f"$ git {shlex.join(arguments)}").encode("utf-8", "backslashreplace").decode()


def _spawn(
    arguments: Sequence[str],
    directory: str,
    environment: Mapping[str, str],
    stderr: int | IO[bytes],
    handles: Sequence[int],
    stdin: int | IO[bytes] = subprocess.PIPE,
    stdout: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Every git process of the project begins here."""
    if logging := sys.modules.get("logging"):  # whoever listens has loaded it; nobody else need wait for that
        logging.getLogger("merge_bot.git").debug("%s", shown(arguments))
    try:
        return subprocess.Popen(
            [b"git", *map(raw, arguments)],
            cwd=directory,
            env=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            bufsize=1 << 16,
            pass_fds=handles,
        )
    except FileNotFoundError as problem:
        missing = not os.path.isdir(directory)
        raise RepositoryError(letters.no_folder(directory) if missing else letters.no_git()) from problem
    except NotADirectoryError as problem:
        raise RepositoryError(letters.no_folder(directory)) from problem


def _environment(outer: Mapping[str, str], settings: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The environment of every git process. Settings go in by environment too, which keeps the log readable."""
    kept = {name: value for name, value in outer.items() if not name.startswith("GIT_") or name.startswith(_INHERITED)}
    return _told(kept, settings) | {
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _told(environment: Mapping[str, str], settings: Iterable[tuple[str, str]]) -> dict[str, str]:
    """An environment with settings added to those that it holds already."""
    told = dict(environment)
    count = told.get("GIT_CONFIG_COUNT", "")
    at = int(count) if count.isdecimal() else 0
    for key, value in settings:
        told[f"GIT_CONFIG_KEY_{at}"], told[f"GIT_CONFIG_VALUE_{at}"] = key, value
        at += 1
    return told | {"GIT_CONFIG_COUNT": str(at)}
