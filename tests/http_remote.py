"""A real remote over HTTP on loopback: `git http-backend` behind a small server that can behave badly on demand.

It asks for a token, records every push, and can accept a push and drop the reply, answer with errors, say "failed"
about another ref, ignore what a push expects of the ref, or let somebody else push first. Hooks are real hooks.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tempfile
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from subprocess import DEVNULL
from typing import IO, NamedTuple

from tests.repo import Repo
from tests.serving import Server

TOKEN = "s3cret-t0ken/with+odd=characters"
_ZERO = "0" * 40


class Push(NamedTuple):
    """One ref of one push request."""

    ref: str
    old: str
    new: str


class HttpRemote:
    """A bare repository `NAME.git` and the server before it. Set the attributes to make the next requests go wrong."""

    def __init__(self, path: Path, token: str | None = None, port: int = 0) -> None:
        self.path = path
        place = path / "world.git"
        self.repo = Repo(place) if place.exists() else Repo.init(place, "--bare")
        for setting in (
            "http.receivepack=true",
            "uploadpack.allowFilter=true",
            "uploadpack.allowAnySHA1InWant=true",
            "receive.autogc=false",
            "gc.auto=0",
        ):
            self.repo.git("config", *setting.split("="))
        self.token = token
        self.also = ""  # another path that it is served at, as OWNER/NAME
        self.read_only = False
        self.ignores_lease = False
        self.lose_replies = 0
        self.fail_pushes = 0
        self.fail_reads = 0
        self.fail_fetches = 0
        self.silent = ""  # requests whose path has this in it are accepted and never answered
        self.woken = threading.Event()
        self.says_failed_for: str | None = None
        self.before_push: Callable[[Push], None] | None = None
        self.after_push: Callable[[Push], None] | None = None
        self.pushes: list[Push] = []
        self.requests: list[str] = []
        self.wants: list[int] = []  # how many objects each fetch asked for
        self.sent = 0  # bytes of answers
        self.old_protocol = False  # what clients say of newer ones goes unheard
        self.headers: list[str] = []
        self._lock = threading.Lock()
        self._server = _Server(self, port)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/world.git"

    @contextmanager
    def serving(self) -> Iterator[HttpRemote]:
        self._server.begin()
        try:
            yield self
        finally:
            self.woken.set()
            self._server.end()

    def hook(self, name: str, script: str) -> None:
        """Install a hook, a shell script; "" removes it."""
        place = self.repo.path / "hooks" / name
        place.parent.mkdir(exist_ok=True)
        if script:
            place.write_text(f"#!/bin/sh\n{script}\n")
            place.chmod(0o755)
        else:
            place.unlink()

    def tip(self, ref: str = "refs/heads/main") -> str:
        """What a ref says; "" if there is none."""
        return self.repo.git("rev-parse", "--verify", "--quiet", ref, check=False)

    def log(self, ref: str) -> list[str]:
        """The commits of a ref, newest first."""
        return self.repo.git("log", "--format=%H", ref).splitlines()

    def take(self, counter: str) -> bool:
        """Whether one more request is to go wrong in this way."""
        with self._lock:
            left: int = getattr(self, counter)
            setattr(self, counter, max(0, left - 1))
            return left > 0

    def note(self, *pushes: Push) -> None:
        with self._lock:
            self.pushes += pushes


def protected(code: str, branch: str = "main") -> str:
    """A pre-receive hook that says what GitHub says about a protected branch."""
    said = {
        "GH006": f"error: GH006: Protected branch update failed for refs/heads/{branch}.\n\n"
        "- Changes must be made through a pull request.",
        "GH013": f"error: GH013: Repository rule violations found for refs/heads/{branch}.\n\n"
        "- Changes must be made through a pull request.",
    }[code]
    return f"while read old new ref; do [ $ref != refs/heads/{branch} ] || {{ echo '{said}'; exit 1; }}; done"


class _Server(Server):
    def __init__(self, remote: HttpRemote, port: int) -> None:
        self.remote = remote
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is none of our business."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline().strip(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(pieces)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answer(self, body: bytes) -> None:
        remote = self.server.remote
        path, _, query = self.path.partition("?")
        if remote.also and path.startswith(f"/{remote.also}/"):
            path = path.replace(remote.also, "world.git", 1)
        remote.requests.append(f"{self.command} {self.path}")
        remote.headers.append(self.headers.get("Authorization", ""))
        if remote.silent and remote.silent in self.path:
            remote.woken.wait()
            self.close_connection = True
            return
        writing = "git-receive-pack" in self.path
        if remote.token is not None and self.headers.get("Authorization", "") != _basic(remote.token):
            self._say(401, b"", [("WWW-Authenticate", 'Basic realm="world"')])
        elif writing and remote.read_only:
            self._say(403, b"Write access to repository not granted.")
        elif not path.startswith("/world.git/"):
            self._say(404, b"Not Found")
        elif self.command == "POST" and writing:
            self._push(path, body)
        elif (b"want " in body and remote.take("fail_fetches")) or remote.take("fail_reads"):
            self._say(502, b"Bad Gateway")
        else:
            if wants := body.count(b"want "):
                remote.wants.append(wants)
            self._say(*self._backend(path, query, body))

    def _push(self, path: str, body: bytes) -> None:
        remote = self.server.remote
        pushes = commands(body)
        remote.note(*pushes)
        if remote.take("fail_pushes"):
            self._say(502, b"Bad Gateway")
            return
        for one in pushes:
            if remote.before_push:
                remote.before_push(one)
            if remote.ignores_lease:
                now = remote.tip(one.ref) or _ZERO
                body = body.replace(f"{one.old} {one.new} {one.ref}".encode(), f"{now} {one.new} {one.ref}".encode(), 1)
        answer = self._backend(path, "", body)
        for one in pushes:
            if remote.after_push:
                remote.after_push(one)
        if remote.take("lose_replies"):
            # Closing at once would let curl send the whole request a second time.
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            self.close_connection = True
        elif remote.says_failed_for is not None:
            inside = _packet(b"unpack ok\n") + _packet(f"ng {remote.says_failed_for} failed to update\n".encode())
            self._say(200, _packet(b"\1" + inside + b"0000") + b"0000", list(answer[2]))
        else:
            self._say(*answer)

    def _backend(self, path: str, query: str, body: bytes) -> tuple[int, IO[bytes], list[tuple[str, str]]]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
            "GIT_PROJECT_ROOT": str(self.server.remote.path),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PROTOCOL": "" if self.server.remote.old_protocol else self.headers.get("Git-Protocol", ""),
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": "worker",
            "REMOTE_ADDR": "127.0.0.1",
        }
        answer = tempfile.TemporaryFile()  # noqa: SIM115  # a large state is not held in memory
        subprocess.run(["git", "http-backend"], env=environment, input=body, stdout=answer, stderr=DEVNULL, check=False)
        answer.seek(0)
        fields = [line.decode().strip().partition(": ")[::2] for line in _head(answer)]
        status = next((value for name, value in fields if name == "Status"), "200")
        return int(status.split()[0]), answer, [(name, value) for name, value in fields if name != "Status"]

    def _say(self, status: int, content: bytes | IO[bytes], fields: list[tuple[str, str]] | None = None) -> None:
        file = io.BytesIO(content) if isinstance(content, bytes) else content
        with file:
            start = file.tell()
            size = file.seek(0, os.SEEK_END) - start
            file.seek(start)
            self.send_response(status)
            for name, value in fields or [("Content-Type", "text/plain")]:
                self.send_header(name, value)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            with self.server.remote._lock:
                self.server.remote.sent += size
            shutil.copyfileobj(file, self.wfile)


def _head(answer: IO[bytes]) -> Iterator[bytes]:
    """The lines before the content."""
    while (line := answer.readline()) not in (b"\r\n", b""):
        yield line


def commands(body: bytes) -> list[Push]:
    """What a push request asks for: the packet lines before its pack."""
    found = []
    while (size := int(body[:4], 16)) > 0:
        line = body[4:size].partition(b"\0")[0].decode().strip()
        body = body[size:]
        if not line.startswith(("shallow ", "push-cert")):
            old, new, ref = line.split(" ", 2)
            found.append(Push(ref, old, new))
    return found


def _packet(data: bytes) -> bytes:
    return b"%04x%s" % (len(data) + 4, data)


def _basic(token: str) -> str:
    return f"basic {b64encode(f'x-access-token:{token}'.encode()).decode()}"
