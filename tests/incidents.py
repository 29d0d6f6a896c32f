"""What the scenarios of incidents share: a small world in a real repository, and runs with one guard switched off.

An incident is survived if what is left is right with every guard in place, and it is a real incident only if without
the guard that the scenario names something is lost: both are run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from merge_bot.admit import Admission
from merge_bot.transports.inbox import InboxTransport
from tests import command, past
from tests.command import INBOX, Said
from tests.repo import Repo
from tests.world import INTEGER, TEXT, schema

Remove = Callable[[pytest.MonkeyPatch], None]
FRAME = past.FIRST
LOG = "state/posted_log.json"
COMMENT = {"post": INTEGER, "author": TEXT, "body": TEXT}
SCHEMAS = {
    "agents": schema(
        "last-writer-wins", {"id": TEXT, "bio": TEXT}, ["id"], key=["id"], layout="file", shape="object",
        path="state/agents.json",
    ),
    "posts": schema("append", {"n": INTEGER, "by": TEXT}, ["n"], key=["n"], layout="file", path=LOG),
    "comments": schema("append", COMMENT, list(COMMENT), key=list(COMMENT)),
    "souls": schema("observe", {"id": TEXT, "saw": TEXT}, ["id"], key=["id"]),
    "stats": schema("sum", {"posts": INTEGER}),
}  # fmt: skip


def incident(kept: Any, *losses: tuple[Remove, Any]) -> pytest.MarkDecorator:
    """Run a scenario with every guard, where `kept` is left, and once without each named guard, where the loss is."""
    rows = [pytest.param(None, kept, id="guarded")]
    rows += [pytest.param(remove, lost, id=f"without-the-guard-{remove.__name__}") for remove, lost in losses]
    return pytest.mark.parametrize(("guard", "left"), rows, indirect=["guard"])


@pytest.fixture
def world(tmp_path: Path) -> Repo:
    """A repository in which frame 5 is open."""
    return past.begin(Repo.init(tmp_path / "world"), SCHEMAS, {})


@pytest.fixture
def guard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All guards stand, or one is taken away. A test asks for its world first, so that this finds it made."""
    if request.param is not None:
        request.param(monkeypatch)


def deliver(
    repo: Repo, stream: str, frame: int = FRAME, seconds: float = 0, run: str | None = None, **content: Any
) -> str:
    """A delta into the work tree's inbox; its path."""
    name = f"frame-{frame}-{stream}{f'.{run}' if run else ''}.json"
    past.put(repo, name, past.made(stream, frame, seconds, run, **content))
    return f"{INBOX}/{name}"


def commit_inbox(repo: Repo, message: str = "a delta") -> str:
    repo.git("add", "--all", INBOX)
    return repo.commit(message=message)


def merge(repo: Repo) -> Said:
    return command.run("merge", "--repo", repo.path, "--json")


def outcomes(said: Said) -> list[tuple[str, str | None]]:
    """Each delta's outcome and reason, sorted."""
    assert said.code == 0, said.err
    return sorted((one["outcome"], one.get("reason")) for one in said.json["receipts"])


def read(repo: Repo, path: str, commit: str = "HEAD") -> Any:
    """A JSON file of a commit, None if it is not there."""
    return json.loads(repo.git("show", f"{commit}:{path}")) if path in repo.files(commit) else None


def posts(repo: Repo, commit: str = "HEAD") -> list[int]:
    """The numbers of the posts in the log."""
    return sorted(one["n"] for one in read(repo, LOG, commit) or [])


def count(repo: Repo, commit: str = "HEAD") -> int:
    """What the counter of posts says."""
    number: int = (read(repo, "state/stats.json", commit) or {}).get("posts", 0)
    return number


def lines(repo: Repo, folder: str) -> list[dict[str, Any]]:
    """All records of the files in a folder."""
    paths = [path for path in sorted(repo.files()) if path.startswith(f"{folder}/")]
    return [json.loads(line) for path in paths for line in repo.git("show", f"HEAD:{path}").splitlines()]


def post(*numbers: int) -> dict[str, Any]:
    """Operations that add posts and count them."""
    return {"posts": [{"n": one, "by": "kai"} for one in numbers], "stats": {"posts": len(numbers)}}


def only_the_tip_is_read(patch: pytest.MonkeyPatch) -> None:
    whole = InboxTransport.receive
    patch.setattr(InboxTransport, "receive", lambda self, span: [one for one in whole(self, span) if one.at_tip])


def edits_go_unnoticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("merge_bot.collect._refuse_foreign_edits", lambda *_: None)
    patch.setattr("merge_bot.foreign.edits_of", lambda *_: None)


def admission_by(change: Callable[[Admission], None], patch: pytest.MonkeyPatch) -> None:
    """Let the merge admit something else than what the code decided."""
    from merge_bot import frame

    whole = frame.admit

    def admit(arrived: Iterable[Any], *rest: Any) -> Admission:
        admission = whole(arrived, *rest)
        change(admission)
        return admission

    patch.setattr(frame, "admit", admit)
