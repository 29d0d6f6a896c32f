"""A GitHub as a step sees it: one world at `octo/world`, by git over HTTP and by the API, with one token for both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.command import INBOX, begun
from tests.fake_github import SLUG, TOKEN, FakeGitHub
from tests.http_remote import HttpRemote
from tests.repo import Repo


@dataclass
class Hub:
    """`server` speaks git, `github` the API; `person` is somebody's clone."""

    server: HttpRemote
    github: FakeGitHub
    person: Repo

    @property
    def environ(self) -> dict[str, str]:
        """What the runner would tell a step about it."""
        return {
            "GITHUB_SERVER_URL": self.server.url.removesuffix("/world.git"),
            "GITHUB_API_URL": self.github.url,
            "GITHUB_GRAPHQL_URL": self.github.graphql_url,
            "GITHUB_REPOSITORY": SLUG,
            "INPUT_GITHUB-TOKEN": TOKEN,
        }

    def deliver(self, **files: bytes) -> None:
        """Deltas arrive in the inbox of main, named for their workers."""
        self.commit({f"{INBOX}/frame-405-{name}.json": data for name, data in files.items()})

    def commit(self, files: dict[str, bytes]) -> None:
        self.server.repo.git("push", "--quiet", str(self.person.path), "+main:main")
        self.person.git("reset", "--quiet", "--hard", "main")
        self.person.commit(dict(files))
        self.person.git("push", "--quiet", "--force", str(self.server.repo.path), "main")

    def submit(self, worker: str, name: str, data: bytes) -> None:
        """A delta arrives on the worker's own branch, by plain git."""
        git, ref = self.server.repo.git, f"refs/heads/deltas/{worker}"
        blob = git("hash-object", "-w", "--stdin", stdin=data)
        tree = git("mktree", stdin=f"100644 blob {blob}\t{name}\n".encode())
        tip = self.server.tip(ref)
        commit = git("commit-tree", tree, *(["-p", tip] if tip else []), "-m", name)
        git("update-ref", ref, commit)


@contextlib.contextmanager
def hub(path: Path) -> Iterator[Hub]:
    """Frame 405 is open on main, and nothing is pending."""
    (path / "served").mkdir()
    with HttpRemote(path / "served", TOKEN).serving() as server, FakeGitHub(server.repo.path) as github:
        server.also = SLUG
        person = begun(Repo.init(path / "person"))
        person.git("config", "receive.denyCurrentBranch", "ignore")
        person.git("push", "--quiet", str(server.repo.path), "main")
        yield Hub(server, github, person)
