"""The edge to GitHub, against a fake that GitHub's own documents judge; and the fake, against being too kind."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from merge_bot.errors import Contended, DreamcatcherError, RemoteRefused, RemoteUnreachable, RepositoryError
from merge_bot.github_api import AlreadyThere, GitHub
from tests.fake_github import NO_PULLS, SLUG, TOKEN, FakeGitHub
from tests.repo import Repo

HEAD = "dreamcatcher/main"


@pytest.fixture
def fake(repo: Repo, tmp_path: Path) -> Iterator[FakeGitHub]:
    """A repository with a commit on main and two more on the branch of a frame."""
    repo.commit({"a.txt": b"a\n"}, "first")
    repo.git("checkout", "-q", "-b", HEAD)
    repo.commit({"b.txt": b"b\n"}, "second")
    repo.commit({"c.txt": b"c\n"}, "third\n\nTrailer: yes")
    repo.git("checkout", "-q", "main")
    bare = tmp_path / "hub.git"
    repo.git("clone", "-q", "--bare", str(repo.path), str(bare))
    with FakeGitHub(bare) as running:
        yield running


def hub(fake: FakeGitHub, token: str = TOKEN, slug: str = SLUG, prefix: str = "") -> GitHub:
    graphql = f"{fake.url}/api/graphql" if prefix else ""
    return GitHub(slug, token, fake.url + prefix, graphql, pace=0)


def opened(fake: FakeGitHub) -> Any:
    return hub(fake).open_pull_request(HEAD, "main", "t", "b")


# --- what it can do


def test_a_pull_request_is_opened_found_changed_labelled_and_closed(fake: FakeGitHub) -> None:
    api = hub(fake)
    made = opened(fake)
    assert (made.number, made.base, made.title, made.body, made.is_open) == (1, "main", "t", "b", True)
    assert made.head_sha == fake.git.tip(HEAD)
    api.set_labels(1, ["dreamcatcher"])
    assert api.update_pull_request(1, title="new", body="text").title == "new"
    (found,) = api.pull_requests(HEAD)
    assert (found.title, found.labels, found.state) == ("new", {"dreamcatcher"}, "")
    assert api.pull_request(1).state == "clean"
    assert not api.update_pull_request(1, state="closed").is_open
    assert [one.is_open for one in api.pull_requests(HEAD)] == [False]
    assert api.pull_requests("other") == []


@pytest.mark.parametrize(
    ("method", "history"),
    [
        ("merge", ["our title", "third", "second", "first"]),
        ("squash", ["our title", "first"]),
        ("rebase", ["third", "second", "first"]),
    ],
)
def test_each_way_to_merge_makes_the_history_that_it_makes(fake: FakeGitHub, method: str, history: list[str]) -> None:
    made = opened(fake)
    merged = hub(fake).merge(1, made.head_sha, method, "our title", "Trailer: yes")
    assert merged.commit == fake.git.tip("main")
    assert fake.git.run("log", "--format=%s", "main").splitlines() == history
    assert "Trailer: yes" in fake.git.message("main")
    assert hub(fake).pull_request(1).merged


def test_commits_rules_and_facts_are_read(fake: FakeGitHub) -> None:
    fake.rules = [{"type": "deletion", "ruleset_source_type": "Repository", "ruleset_source": SLUG, "ruleset_id": 1}]
    fake.methods = {"squash"}
    api = hub(fake)
    commit = api.commit(str(fake.git.tip(HEAD)))
    assert commit is not None
    assert (commit.author, commit.committer_email, commit.parents) == ("Tester", "tester@example.com", 1)
    assert commit.message == "third\n\nTrailer: yes"
    assert api.commit("0" * 40) is None
    assert [one["type"] for one in api.rules("release/a b")] == ["deletion"]
    assert (api.facts().methods, api.facts().node_id) == (("squash",), "R_1")


def test_a_server_of_ones_own_has_its_api_below_a_path(fake: FakeGitHub) -> None:
    api = hub(fake, prefix="/api/v3")
    made = api.open_pull_request(HEAD, "main", "t", "b")
    fake.required_checks = True
    assert api.enable_auto_merge(made.node_id, made.head_sha, "squash", "title", "text") is None


def test_auto_merge_merges_when_the_checks_are_done_and_not_before(fake: FakeGitHub) -> None:
    fake.required_checks = True
    made = opened(fake)
    assert hub(fake).enable_auto_merge(made.node_id, made.head_sha, "squash", "title", "text") is None
    assert hub(fake).pull_request(1).is_open
    fake.checks_pass()
    assert hub(fake).pull_request(1).merged
    assert fake.git.message("main") == "title\n\ntext"


def test_a_commit_is_made_on_a_branch_that_is_where_it_is_expected(fake: FakeGitHub) -> None:
    api, tip = hub(fake), str(fake.git.tip("main"))
    made = api.create_commit(
        "main", tip, "subject\n\nTrailer: 1\n", {"x/y.txt": base64.b64encode(b"new\n").decode()}, ["a.txt"]
    )
    assert made == (fake.git.tip("main"), fake.git.tree("main"))
    assert fake.git.run("ls-tree", "-r", "--name-only", "main") == "x/y.txt"
    assert fake.git.message("main") == "subject\n\nTrailer: 1"


def test_refs_move_together_or_not_at_all(fake: FakeGitHub) -> None:
    api, main, head = hub(fake), fake.git.tip("main"), fake.git.tip(HEAD)
    why = api.update_refs([("refs/heads/new", head, None), (f"refs/heads/{HEAD}", main, main)])
    assert why == f"Reference refs/heads/{HEAD} is not at {main}"
    assert fake.git.tip("new") is None
    assert api.update_refs([("refs/heads/new", main, None), (f"refs/heads/{HEAD}", main, head)]) is None
    assert (fake.git.tip("new"), fake.git.tip(HEAD)) == (main, main)
    assert api.update_refs([("refs/heads/new", None, main)]) is None
    assert fake.git.tip("new") is None


# --- the doorbell


def test_the_doorbell_rings_without_the_right_to_see_runs_too(fake: FakeGitHub) -> None:
    assert hub(fake).ring() is None
    assert fake.dispatches == [{"event_type": "dreamcatcher"}]
    fake.refuse("GET .*/actions/runs", 403, "Resource not accessible by integration")
    assert hub(fake).ring() is None
    assert len(fake.dispatches) == 2


def test_a_run_that_waits_already_is_not_rung_for(fake: FakeGitHub) -> None:
    api = hub(fake)
    api._ask = lambda verb, path, *rest, **more: {"workflow_runs": [{"status": "queued"}]}  # type: ignore[method-assign]
    assert api.ring() == "A run of the workflow waits already, and will take everything along."
    assert fake.requests == []


def test_a_doorbell_that_does_not_ring_harms_nothing(fake: FakeGitHub) -> None:
    fake.refuse("POST .*/dispatches", 404, "Not Found")
    assert hub(fake).ring() == (
        "The merge was not rung for; it comes with the next run of its workflow. GitHub knows no octo/world, or the "
        "token may not see it, or what it needs to ring for the merge is gone (404). Check the repository's name and "
        "the token's rights, and run the merge again."
    )
    assert fake.dispatches == []


# --- refusals


LIMITED: dict[str, str] = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1774400000"}
REFUSALS: list[tuple[str, int, str, dict[str, str], type[DreamcatcherError], int, str]] = [
    ("the setting", 403, NO_PULLS, {}, RemoteRefused, 1, "Settings > Actions > General > Workflow permissions"),
    ("no rights", 403, "Resource not accessible by integration", {}, RemoteRefused, 1, "pull-requests: write"),
    ("gone", 404, "Not Found", {}, RemoteRefused, 1, "GitHub knows no octo/world"),
    ("odd", 422, "Validation Failed", {}, RemoteRefused, 1, "GitHub refused to open a pull request (422)"),
    ("limit", 403, "API rate limit exceeded for installation.", LIMITED, Contended, 75, "2026-03-25T00:53:20Z"),
    ("limit unnamed", 403, "Slow down", LIMITED, Contended, 75, "2026-03-25T00:53:20Z"),
    ("second limit", 403, "You have exceeded a secondary rate limit", {"Retry_After": "60"}, Contended, 75, "hour"),
    ("too many", 429, "Too many requests", {}, Contended, 75, "lifted within the hour"),
    ("bad day", 502, "Server Error", {}, RemoteUnreachable, 75, "502 Server Error"),
]


@pytest.mark.parametrize("row", REFUSALS, ids=[row[0] for row in REFUSALS])
def test_each_refusal_has_its_letter_and_exit_code(fake: FakeGitHub, row: Any) -> None:
    _, status, message, headers, kind, code, text = row
    fake.refuse("POST .*/pulls", status, message, **headers)
    with pytest.raises(kind) as caught:
        opened(fake)
    assert text in str(caught.value)
    assert caught.value.exit_code == code
    assert TOKEN not in str(caught.value)


def test_a_token_that_does_not_fit_is_named_as_such_and_not_shown(
    fake: FakeGitHub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(RemoteRefused, match="does not accept the token") as caught:
        hub(fake, token="ghs_abcdefghijabcdefghijabcdefghijabcdef").facts()
    assert "ghs_" not in str(caught.value) + repr(caught.value) + caplog.text


def test_reading_is_tried_again_and_writing_is_not(fake: FakeGitHub) -> None:
    for _ in range(3):
        fake.refuse("GET", 502, "Server Error")
    assert hub(fake).facts().node_id == "R_1"
    assert len(fake.requests) == 4
    fake.refuse("POST", 502, "Server Error")
    with pytest.raises(RemoteUnreachable):
        opened(fake)
    assert len(fake.requests) == 5


def test_nobody_answers(fake: FakeGitHub) -> None:
    api = GitHub(SLUG, TOKEN, "http://127.0.0.1:9", pace=0)
    with pytest.raises(RemoteUnreachable, match=r"ConnectionRefused|Connection refused") as caught:
        api.facts()
    assert caught.value.exit_code == 75


@pytest.mark.parametrize(
    ("slug", "url"), [("octo", "http://x"), ("octo/../x", "http://x"), (SLUG, "ftp://x"), (SLUG, "api.github.com")]
)
def test_what_cannot_be_asked_is_refused_before_it_is_asked(slug: str, url: str) -> None:
    with pytest.raises(RepositoryError):
        GitHub(slug, TOKEN, url)


def test_an_answer_that_is_no_api_is_named_as_such(fake: FakeGitHub) -> None:
    with pytest.raises(RemoteRefused):
        GitHub(SLUG, TOKEN, f"{fake.url}/somewhere", pace=0).facts()


# --- the fake is not too kind


def test_a_second_pull_request_of_a_branch_is_refused(fake: FakeGitHub) -> None:
    opened(fake)
    with pytest.raises(AlreadyThere, match="A pull request already exists for octo:dreamcatcher/main"):
        opened(fake)


def test_a_branch_without_commits_of_its_own_opens_nothing(fake: FakeGitHub) -> None:
    with pytest.raises(RemoteRefused, match="No commits between main and main"):
        hub(fake).open_pull_request("main", "main", "t", "b")
    with pytest.raises(RemoteRefused, match="PullRequest head invalid"):
        hub(fake).open_pull_request("nowhere", "main", "t", "b")


def test_a_merge_of_another_head_is_refused(fake: FakeGitHub) -> None:
    opened(fake)
    merged = hub(fake).merge(1, "1" * 40, "merge", "t", "m")
    assert (merged.commit, merged.moved) == (None, True)
    assert hub(fake).pull_request(1).is_open


def test_auto_merge_is_refused_where_github_refuses_it(fake: FakeGitHub) -> None:
    made = opened(fake)
    enable: Callable[[str], str | None] = lambda sha: hub(fake).enable_auto_merge(made.node_id, sha, "merge", "t", "m")  # noqa: E731
    assert enable(made.head_sha) == "Pull request Pull request is in clean status"
    fake.required_checks = True
    assert enable("1" * 40) == "Head sha didn't match expected_head_oid"
    fake.allow_auto_merge = False
    assert enable(made.head_sha) == "Pull request Auto merge is not allowed for this repository"


def test_checks_drafts_conflicts_and_forbidden_methods_stand_in_the_way(fake: FakeGitHub, repo: Repo) -> None:
    made = opened(fake)

    def merge(method: str = "merge") -> str:
        return hub(fake).merge(1, made.head_sha, method, "t", "m").why

    fake.methods = {"squash"}
    assert merge() == "Merge merges are not allowed on this repository."
    fake.required_checks = True
    assert merge("squash") == 'Required status check "tests" is expected.'
    fake.pulls[1].draft = True
    assert (merge("squash"), hub(fake).pull_request(1).state) == ("Pull Request is not mergeable", "draft")
    fake.pulls[1].draft = False
    repo.commit({"b.txt": b"other\n"}, "in the way")
    repo.git("push", "-q", str(fake.path), "main")
    assert (merge("squash"), hub(fake).pull_request(1).state) == ("Pull Request is not mergeable", "dirty")


def test_a_commit_onto_a_branch_that_moved_is_refused(fake: FakeGitHub) -> None:
    old = str(fake.git.tip("main"))
    stale = fake.git.run("rev-parse", f"{HEAD}~1")
    assert hub(fake).create_commit("main", stale, "m", {}, ["a.txt"]) == (
        f'Expected branch to point to "{stale}" but it did not. Pull and try again.'
    )
    assert fake.git.tip("main") == old


def test_pull_requests_follow_their_branch(fake: FakeGitHub, repo: Repo) -> None:
    opened(fake)
    repo.git("push", "-q", "--force", str(fake.path), f"{HEAD}~1:refs/heads/{HEAD}")
    assert hub(fake).pull_request(1).head_sha == repo.git("rev-parse", f"{HEAD}~1")
    repo.git("push", "-q", str(fake.path), f":refs/heads/{HEAD}")
    assert (hub(fake).pull_request(1).is_open, hub(fake).pull_request(1).merged) == (False, False)


def test_what_does_not_fit_the_documents_is_a_fault(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a.txt": b"a\n"})
    bare = tmp_path / "hub.git"
    repo.git("clone", "-q", "--bare", str(repo.path), str(bare))
    with pytest.raises(AssertionError) as caught, FakeGitHub(bare) as fake:
        api = hub(fake)
        with pytest.raises(DreamcatcherError):
            api._ask("PATCH", "/pulls/1", "x", body={"state": "ajar"})
        with pytest.raises(DreamcatcherError):
            api._ask("POST", "/pulls", "x", body={"head": "main"})
        with pytest.raises(DreamcatcherError):
            api._ask("GET", "/zen", "x")
        api._mutate("updateRefs", "UpdateRefsInput", {"refUpdates": []}, "nonsense")
    told = str(caught.value)
    assert "'ajar' is not one of" in told
    assert "'base' is a required property" in told
    assert "/zen" in told
    assert "Cannot query field 'nonsense'" in told
