"""The doorbell: a delta's arrival starts the merge's workflow, and nothing depends on that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from merge_bot import Worker
from merge_bot.bell import slug_of
from tests.command import Said, delta, run
from tests.fake_github import SLUG, TOKEN
from tests.hub import Hub, hub
from tests.repo import Repo

LATER = "The merge was not rung for; it comes with the next run of its workflow."


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("https://github.com/octo/world", SLUG),
        ("https://github.com/octo/world.git", SLUG),
        ("https://git.example:8443/octo/world/", SLUG),
        ("ssh://git@github.com/octo/world.git", SLUG),
        ("git@github.com:octo/world.git", SLUG),
        ("github.com:octo/world", SLUG),
        ("http://127.0.0.1:40000/world.git", None),
        ("https://gitlab.example/group/octo/world", None),
        ("https://github.com/octo/wor ld", None),
        ("/srv/octo/world", None),
        ("../octo/world.git", None),
        ("git@github.com:/octo/world", None),
        ("", None),
    ],
)
def test_the_remote_s_url_names_the_repository(url: str, slug: str | None) -> None:
    assert slug_of(url) == slug


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file:http")
    monkeypatch.setenv("DREAMCATCHER_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    with hub(tmp_path) as made:
        monkeypatch.setenv("GITHUB_API_URL", made.github.url)
        yield made


def submit(github: Hub, worker: str, *options: str, path: str = SLUG) -> Said:
    url = github.server.url.replace("world.git", path)
    content = delta(worker, stats_increments={"total_posts": 1})
    return run("submit", "--worker", worker, "--remote", url, *options, stdin=content)


def test_a_delta_s_arrival_rings_once_unless_a_run_waits(github: Hub) -> None:
    done = submit(github, "w1")
    assert (done.code, github.github.dispatches) == (0, [])
    done = submit(github, "w2", "--ring")
    assert (done.code, done.err, github.github.dispatches) == (0, "", [{"event_type": "dreamcatcher"}])
    github.github.runs = [github.github.documents.example("workflow-run-paginated")["workflow_runs"][0]]
    github.github.runs[0] |= {"status": "queued", "event": "repository_dispatch"}
    done = submit(github, "w3", "--ring")
    assert (done.code, len(github.github.dispatches)) == (0, 1)
    assert done.err == "A run of the workflow waits already, and will take everything along.\n"


def test_a_bell_that_cannot_ring_harms_nothing_and_says_why(github: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    github.github.refuse("POST .*/dispatches", 403, "Resource not accessible by integration")
    done = submit(github, "w1", "--ring")
    assert (done.code, done.err.startswith(f"{LATER} The token may not ring for the merge")) == (0, True), done.err
    done = submit(github, "w2", "--ring", path="world.git")
    assert done.code == 0
    assert done.err == f"{LATER} {github.server.url} does not end with OWNER/NAME: give --github OWNER/NAME.\n"
    done = submit(github, "w3", "--ring", "--github", "octo", path="world.git")
    assert (done.code, "The delta arrived, but the merge could not be called" in done.err) == (0, True), done.err
    assert github.github.dispatches == []
    assert submit(github, "w4", "--ring", "--github", SLUG, path="world.git").err == ""
    assert len(github.github.dispatches) == 1
    github.server.token = None
    monkeypatch.delenv("DREAMCATCHER_TOKEN")
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    done = submit(github, "w5", "--ring")
    assert done.err == f"{LATER} Ringing needs a token in DREAMCATCHER_TOKEN or GITHUB_TOKEN.\n"
    refs = github.server.repo.git("for-each-ref", "--format=%(refname)", "refs/heads/deltas").splitlines()
    assert [ref.rpartition("/")[2] for ref in refs] == ["w1", "w2", "w3", "w4", "w5"]


def test_a_worker_rings_on_leaving(github: Hub, tmp_path: Path) -> None:
    url = github.server.url.replace("world.git", SLUG)
    github.person.git("remote", "add", "origin", url)
    clone: Repo = github.person
    with Worker("w1", root=clone.path, push=True, ring=True) as w:
        w.increment("stats", total_posts=1)
    assert w.submitted is not None and w.submitted.notes == []
    assert len(github.github.dispatches) == 1
