"""Frames that leave by a pull request, over real git and a GitHub that merges for real."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from merge_bot.clone import Clone
from merge_bot.collect import open_base
from merge_bot.errors import Contended, RemoteRefused, SettingsError
from merge_bot.frame import Result, run_until_settled
from merge_bot.git import Repository
from merge_bot.git.remote import Outcome, Pushed, Remote
from merge_bot.github_api import GitHub
from merge_bot.paths import Paths
from merge_bot.patience import Patience
from merge_bot.proposal import Marker
from merge_bot.publish.auto_merge import AutoMerge, Method
from merge_bot.publish.base import Published
from merge_bot.publish.pull_request import PullRequestPublisher
from merge_bot.publish.push import PushPublisher
from merge_bot.publish.verified import VerifiedCommits, VerifiedPublisher
from merge_bot.pull_request_body import describe
from merge_bot.resources import example_schemas
from merge_bot.transports.inbox import InboxTransport
from tests.fake_github import SLUG, TOKEN, FakeGitHub
from tests.repo import AUTHOR, Repo
from tests.world import MORNING

HEAD = "dreamcatcher/main"
METHODS: list[Method] = ["merge", "squash", "rebase"]


@dataclass
class Hub:
    """A GitHub with one repository, a person's clone of it, and the bot's."""

    fake: FakeGitHub
    person: Repo
    place: Path
    auto_merge: Method | None = None
    remote: Any = Remote
    verified: int = 0  # bytes that GitHub's API may take; 0: commits are made by git
    pauses: list[float] = field(default_factory=list)
    hours: int = 0

    def deltas(self, *deltas: tuple[str, dict[str, Any]], frame: int = 1) -> None:
        """Deltas arrive in the inbox of main."""
        self.pull()
        files: dict[str, bytes | None] = {}
        for number, (worker, operations) in enumerate(deltas):
            delta = {"frame": frame, "stream_id": worker, "utc": f"2026-03-25T00:00:0{number}Z", **operations}
            files[f"state/stream_deltas/frame-{frame}-{worker}.json"] = json.dumps(delta).encode()
        self.person.commit(files, "deltas")
        self.push()

    def pull(self) -> None:
        self.person.git("fetch", "-q", "origin")
        self.person.git("checkout", "-q", "-B", "main", "origin/main")

    def push(self, what: str = "main") -> None:
        self.person.git("push", "-q", "--force", "origin", what)

    def commit_on_head(self, *options: str, **files: str) -> str:
        """A person commits on the pull request's branch."""
        self.person.git("fetch", "-q", "origin")
        self.person.git("checkout", "-q", "-B", HEAD, f"origin/{HEAD}")
        commit = self.person.commit({name: text.encode() for name, text in files.items()}, "by hand")
        self.push(HEAD)
        return commit

    def run(self) -> Result:
        """One run of the bot, as a door does it; what it published is in `published` of the result."""
        with Repository.open(self.place) as repository:
            remote = self.remote(repository, "origin")

            def tip() -> Any:
                remote.fetch(["+refs/heads/*:refs/remotes/origin/*"])
                return open_base(repository, str(repository.resolve("refs/remotes/origin/main")))

            github = GitHub(SLUG, TOKEN, self.fake.url, pace=0)
            merging = AutoMerge(github, self.auto_merge, self.pauses.append) if self.auto_merge else None
            commits = VerifiedCommits(repository, remote, github, size=self.verified) if self.verified else None
            publisher = PullRequestPublisher(
                repository, remote, github, "main", AUTHOR, describe, auto_merge=merging, verified=commits,
                web_url=self.fake.url, patience=lambda: Patience(0),
            )  # fmt: skip
            self.hours += 1
            now: datetime = MORNING + timedelta(hours=self.hours)
            transport = InboxTransport(repository, Paths("state"))
            result = run_until_settled(tip, repository, transport, publisher, now)
            if result.frame is None:
                result.published = publisher.withdraw()
            return result

    def published(self) -> Published:
        return self.run().published

    @property
    def frames(self) -> list[str]:
        """The frames that main holds, by their manifests."""
        found = self.fake.git.run("ls-tree", "-r", "--name-only", "main", "state/frames")
        return [path.split("/")[3].lstrip("0") or "0" for path in found.splitlines() if path.endswith("/manifest.json")]

    @property
    def ran(self) -> list[str]:
        """What the bot asked GitHub to change since the last look."""
        asked, self.fake.requests[:] = list(self.fake.requests), []
        return [one.replace(f"/repos/{SLUG}", "") for one in asked if not one.startswith("GET")]


POST = {"channels_updated": [{"slug": "c", "name": "C"}], "profile_updates": [{"agent_id": "a", "name": "A"}],
        "posts_created": [{"number": 1, "title": "t", "channel": "c", "author": "a"}]}  # fmt: skip
MORE = {"stats_increments": {"total_posts": 1}}


@pytest.fixture
def hub(tmp_path: Path, make_repo: Callable[..., Repo]) -> Iterator[Hub]:
    person = make_repo("person")
    with Clone.open(str(person.path)) as clone:
        clone.begin(clone.plan({"notes.txt": b"notes\n"}, example_schemas(), MORNING, 1), MORNING)
    bare, place = tmp_path / "hub.git", tmp_path / "bot.git"
    person.git("clone", "-q", "--bare", str(person.path), str(bare))
    person.git("remote", "add", "origin", str(bare))
    person.git("clone", "-q", "--bare", str(bare), str(place))
    with FakeGitHub(bare) as fake:
        yield Hub(fake, person, place)


def test_a_frame_is_proposed_once_and_what_comes_later_joins_it(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    made = hub.published()
    assert (made.operation, made.number, made.url) == ("created", 1, f"{hub.fake.url}/{SLUG}/pull/1")
    assert made.commit == hub.fake.git.tip(HEAD)
    assert hub.ran == ["POST /pulls", "PUT /issues/1/labels"]
    pull = hub.fake.pulls[1]
    assert (pull.title, pull.base, pull.labels) == ("merge frame 1: 1 delta, 3 operations", "main", ["dreamcatcher"])
    again = hub.published()
    assert (again.operation, again.commit, again.number) == ("none", made.commit, 1)
    assert hub.ran == []
    hub.deltas(("w2", MORE))
    joined = hub.published()
    assert (joined.operation, joined.number) == ("updated", 1)
    assert joined.commit != made.commit
    assert hub.ran == ["PATCH /pulls/1"]
    assert pull.title == "merge frame 1: 2 deltas, 4 operations"
    assert hub.fake.git.commits("main", HEAD) == [joined.commit]
    assert hub.frames == ["0"]


@pytest.mark.parametrize("method", METHODS)
def test_however_it_is_merged_the_next_run_knows_the_frame(hub: Hub, method: str) -> None:
    hub.deltas(("w1", POST))
    assert hub.published().operation == "created"
    hub.deltas(("w2", MORE))  # the base moves on, so that no merge is a fast-forward
    hub.fake.merge(1, method)
    assert hub.frames == ["0", "1"]
    second = hub.run()
    assert second.frame is not None
    assert (second.published.operation, second.published.number, second.frame.number) == ("created", 2, 2)
    assert [receipt.stream_id for receipt in second.frame.receipts] == ["w2"]
    hub.fake.merge(2, method)
    assert hub.frames == ["0", "1", "2"]
    third = hub.run()
    assert (third.frame, third.published.operation) == (None, "none")


@pytest.mark.parametrize("method", METHODS)
def test_auto_merge_without_checks_merges_at_once(hub: Hub, method: Method) -> None:
    hub.auto_merge = method
    hub.fake.slow = 2
    hub.deltas(("w1", POST))
    done = hub.published()
    assert (done.operation, done.number, done.commit) == ("merged", 1, hub.fake.git.tip("main"))
    assert len(hub.pauses) == 2
    assert hub.frames == ["0", "1"]
    assert "Dreamcatcher-Manifest: " in hub.fake.git.message("main")
    assert hub.published().operation == "none"


def test_auto_merge_with_checks_waits_for_them(hub: Hub) -> None:
    hub.auto_merge = "squash"
    hub.fake.required_checks = True
    hub.deltas(("w1", POST))
    done = hub.published()
    assert done.operation == "created"
    assert done.remarks == ("Pull request #1 merges by itself (squash) when its required checks and reviews are done.",)
    assert hub.frames == ["0"]
    hub.fake.checks_pass()
    assert hub.frames == ["0", "1"]
    assert "Dreamcatcher-Manifest: " in hub.fake.git.message("main")
    assert hub.published().operation == "none"


def test_auto_merge_that_cannot_be_enabled_says_where_the_setting_is(hub: Hub) -> None:
    hub.auto_merge = "merge"
    hub.fake.required_checks, hub.fake.allow_auto_merge = True, False
    hub.deltas(("w1", POST))
    (remark,) = hub.published().remarks
    assert remark == (
        "Pull request #1 waits: its base needs checks or reviews, and auto-merge could not be enabled. GitHub says: "
        "Pull request Auto merge is not allowed for this repository\nAllow it in octo/world under Settings > General > "
        "Pull Requests > `Allow auto-merge`, or merge it by hand."
    )


def test_a_draft_is_kept_up_to_date_and_not_merged(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    hub.published()
    hub.fake.pulls[1].draft = True
    hub.auto_merge = "merge"
    hub.deltas(("w2", MORE))
    done = hub.published()
    assert (done.operation, done.remarks) == (
        "updated", ("Pull request #1 is a draft, so it was not merged. Mark it as ready for review.",)
    )  # fmt: skip


def test_a_method_that_the_repository_forbids_stops_before_anything_is_done(hub: Hub) -> None:
    hub.auto_merge = "rebase"
    hub.fake.methods = {"squash"}
    hub.deltas(("w1", POST))
    with pytest.raises(SettingsError, match="does not allow merging by rebase, only by squash"):
        hub.run()
    assert hub.fake.git.tip(HEAD) is None


def test_a_push_in_the_moment_of_merging_is_not_merged(hub: Hub) -> None:
    hub.auto_merge = "merge"
    hub.deltas(("w1", POST))
    hub.fake.after["GET .*/pulls/1$"] = lambda: hub.commit_on_head(extra="by a person")
    done = hub.published()
    assert done.operation == "created"
    assert "Head branch was modified" in done.remarks[0]
    assert hub.frames == ["0"]


# --- what people do with it


def test_one_that_a_person_pushed_to_is_left_alone(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    hub.published()
    theirs = hub.commit_on_head(notes="edited")
    hub.deltas(("w2", MORE))
    assert hub.ran
    done = hub.published()
    assert (done.operation, done.number) == ("none", 1)
    assert done.remarks == (
        f"Pull request #1 was changed by hand ({theirs[:12]}, by Tester), so it was left alone; newer deltas wait. "
        "Merge it, or close it and delete its branch: the next run then proposes everything that waits.",
    )
    assert (hub.ran, hub.fake.git.tip(HEAD)) == ([], theirs)
    hub.fake.merge(1, "squash")
    assert hub.frames == ["0", "1"]


def test_an_amended_commit_is_a_persons(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    hub.published()
    hub.person.git("fetch", "-q", "origin")
    hub.person.git("checkout", "-q", "-B", HEAD, f"origin/{HEAD}")
    hub.person.write("notes.txt", b"amended")
    hub.person.git("commit", "-q", "-a", "--amend", "--no-edit")
    hub.push(HEAD)
    hub.deltas(("w2", MORE))
    assert "was changed by hand" in hub.published().remarks[0]


def test_a_locked_one_is_left_alone(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    hub.published()
    hub.fake.pulls[1].locked = True
    hub.deltas(("w2", MORE))
    assert hub.ran
    assert hub.published().remarks == (
        "Pull request #1 is locked, so it was left alone; newer deltas wait. Unlock it, or merge it.",
    )
    assert hub.ran == []


def test_closing_it_unmerged_is_a_no_until_other_deltas_come(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    hub.published()
    hub.fake.pulls[1].state = "closed"
    assert hub.ran
    done = hub.published()
    assert (done.operation, done.number) == ("none", 1)
    assert "That is taken as a no, until the set of deltas changes." in done.remarks[0]
    assert hub.ran == []
    hub.person.commit({"elsewhere.txt": b"another commit\n"})  # the base moves, the deltas are the same
    hub.push()
    assert hub.published().operation == "none"
    hub.fake.pulls[1].state = "open"  # changed their mind
    assert hub.published().operation == "updated"
    hub.fake.pulls[1].state = "closed"
    hub.deltas(("w2", MORE))
    done = hub.published()
    assert (done.operation, done.number) == ("created", 2)


def test_one_from_which_nothing_is_left_is_closed_and_vetoes_nothing(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    hub.published()
    old = str(hub.fake.git.tip("main"))
    hub.fake.git.run("update-ref", "refs/heads/main", f"{old}~1")  # the base is pushed back to before the delta
    done = hub.published()
    assert (done.operation, done.number) == ("updated", 1)
    assert done.remarks == ("Pull request #1 was closed: nothing is left to merge.",)
    assert hub.fake.pulls[1].state == "closed"
    assert hub.published().operation == "none"
    hub.fake.git.run("update-ref", "refs/heads/main", old)
    assert (hub.published().operation, len(hub.fake.pulls)) == ("created", 2)


def test_one_with_nothing_left_that_a_person_pushed_to_stays_open(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    hub.published()
    hub.commit_on_head(notes="edited")
    hub.fake.git.run("update-ref", "refs/heads/main", "main~1")
    assert "was changed by hand" in hub.published().remarks[0]
    assert hub.fake.pulls[1].state == "open"


def test_a_branch_of_that_name_by_somebody_else_is_left_alone(hub: Hub) -> None:
    hub.person.git("checkout", "-q", "-b", HEAD)
    theirs = hub.person.commit({"mine.txt": b"mine\n"}, "my own")
    hub.push(HEAD)
    hub.deltas(("w1", POST))
    with pytest.raises(RemoteRefused) as caught:
        hub.run()
    assert str(caught.value) == (
        f"Branch {HEAD} exists, and its newest commit {theirs[:12]}, by Tester, is no frame of ours, so it was "
        "left alone, and the frame was not proposed. That name is needed here: rename or delete the branch, and run "
        "the merge again."
    )
    assert (hub.fake.git.tip(HEAD), hub.fake.pulls) == (theirs, {})


def test_a_pull_request_from_our_branch_without_our_marker_is_left_alone(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    hub.published()
    marked = hub.fake.pulls[1].body
    hub.fake.pulls[1].body = f"I rewrote this.\n{marked}"
    with pytest.raises(RemoteRefused, match="does not carry our marker in the first line"):
        hub.run()
    hub.fake.pulls[1].body = marked + "\nA remark below is no harm."
    hub.deltas(("w2", MORE))
    assert hub.published().operation == "updated"


def test_two_open_ones_from_our_branch_are_left_alone(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    hub.published()
    hub.fake.git.run("branch", "develop", "main")
    GitHub(SLUG, TOKEN, hub.fake.url, pace=0).open_pull_request(HEAD, "develop", "t", "b")
    hub.deltas(("w2", MORE))
    tip = hub.fake.git.tip(HEAD)
    with pytest.raises(RemoteRefused, match="Several pull requests are open from branch dreamcatcher/main: #1, #2"):
        hub.run()
    assert hub.fake.git.tip(HEAD) == tip


def test_one_that_was_turned_to_another_base_is_left_alone(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    hub.published()
    hub.fake.git.run("branch", "develop", "main")
    hub.fake.pulls[1].base = "develop"
    with pytest.raises(RemoteRefused, match="#1"):
        hub.run()


# --- bad days


def test_a_pull_request_that_may_not_be_opened_is_opened_when_it_may(hub: Hub) -> None:
    hub.fake.may_open = False
    hub.deltas(("w1", POST))
    with pytest.raises(RemoteRefused, match="Settings > Actions > General"):
        hub.run()
    assert hub.fake.git.tip(HEAD) is not None
    hub.fake.may_open = True
    assert hub.published().operation == "created"


def test_a_run_that_died_before_it_could_say_so_is_completed(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    hub.published()
    hub.deltas(("w2", MORE))
    hub.fake.refuse("PATCH .*/pulls/1", 404, "Not Found")
    with pytest.raises(RemoteRefused):
        hub.run()
    done = hub.published()
    assert (done.operation, hub.fake.pulls[1].title) == ("updated", "merge frame 1: 2 deltas, 4 operations")
    marker = Marker.read(hub.fake.pulls[1].body)
    assert marker is not None
    assert marker.commit == done.commit == hub.fake.git.tip(HEAD)


def test_the_answer_to_opening_is_lost_and_the_next_run_finds_it(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    hub.fake.after["POST .*/pulls"] = lambda: hub.fake.refuse("PUT .*/labels", 404, "Not Found")
    with pytest.raises(RemoteRefused):
        hub.run()
    hub.deltas(("w2", MORE))
    done = hub.published()
    assert (done.operation, hub.fake.pulls[1].labels, len(hub.fake.pulls)) == ("updated", ["dreamcatcher"], 1)


def test_a_pull_request_that_is_merged_while_it_is_being_updated_is_made_anew(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    hub.published()
    hub.deltas(("w2", MORE))
    hub.fake.after["GET .*/pulls$"] = lambda: hub.fake.merge(1, "squash")
    done = hub.run()
    assert done.frame is not None
    assert (done.published.operation, done.published.number, done.frame.number) == ("created", 2, 2)
    assert [one.stream_id for one in done.frame.receipts] == ["w2"]


def test_another_run_that_was_quicker_is_not_overwritten(hub: Hub) -> None:
    hub.deltas(("w1", POST))
    other = Hub(hub.fake, hub.person, hub.place.parent / "other.git", hours=50)
    hub.person.git("clone", "-q", "--bare", str(hub.fake.path), str(other.place))
    hub.fake.after["GET .*/pulls$"] = lambda: other.run()
    done = hub.published()
    assert (done.operation, done.number, len(hub.fake.pulls)) == ("updated", 1, 1)


class Stubborn(Remote):
    """A remote where nothing ever moves, and nobody says why."""

    def push(self, new: str, ref: str, old: str | None) -> Pushed:
        return Pushed(Outcome.UNMOVED, old, "It did not move.")


class Closed(Remote):
    """A remote that refuses by rule."""

    def push(self, new: str, ref: str, old: str | None) -> Pushed:
        return Pushed(Outcome.REFUSED, old, "A rule forbids it.")


@pytest.mark.parametrize(("remote", "error", "code"), [(Stubborn, Contended, 75), (Closed, RemoteRefused, 1)])
def test_a_push_that_does_not_go_through_opens_nothing(hub: Hub, remote: Any, error: Any, code: int) -> None:
    hub.remote = remote
    hub.deltas(("w1", POST))
    with pytest.raises(error) as caught:
        hub.run()
    assert caught.value.exit_code == code
    assert hub.fake.pulls == {}


# --- verified commits


def test_a_verified_commit_is_made_by_github_and_holds_the_same_frame(hub: Hub) -> None:
    hub.verified = 10**6
    hub.deltas(("w1", POST))
    done = hub.published()
    assert (done.operation, done.remarks, done.commit) == ("created", (), hub.fake.git.tip(HEAD))
    assert hub.fake.git.run("log", "-1", "--format=%ce", HEAD) == "noreply@github.com"
    assert hub.fake.git.commits("main", HEAD) == [done.commit]
    assert "Dreamcatcher-Manifest: " in hub.fake.git.message(HEAD)
    assert hub.fake.git.run("for-each-ref", "--format=%(refname)", "refs/heads/dreamcatcher-build") == ""
    assert hub.published().operation == "none"
    hub.deltas(("w2", MORE))
    assert hub.published().operation == "updated"
    hub.fake.merge(1, "rebase")
    assert hub.frames == ["0", "1"]
    assert hub.run().frame is None


def test_what_is_too_large_for_the_api_goes_by_git_and_says_so(hub: Hub) -> None:
    hub.verified = 10
    hub.deltas(("w1", POST))
    done = hub.published()
    assert done.operation == "created"
    (remark,) = done.remarks
    assert "is larger than GitHub's API takes in one commit, so it was committed with git" in remark
    assert hub.fake.git.run("log", "-1", "--format=%ce", HEAD) == AUTHOR.email


def test_a_verified_commit_does_not_overwrite_who_was_quicker(hub: Hub) -> None:
    hub.verified = 10**6
    hub.deltas(("w1", POST))
    hub.published()
    hub.deltas(("w2", MORE))
    theirs: list[str] = []
    hub.fake.after["POST .*/graphql"] = lambda: theirs.append(hub.commit_on_head(notes="edited"))
    done = hub.published()
    assert "was changed by hand" in done.remarks[0]
    assert hub.fake.git.tip(HEAD) == theirs[0]
    assert hub.fake.git.run("for-each-ref", "--format=%(refname)", "refs/heads/dreamcatcher-build") == ""


def test_a_commit_with_another_tree_is_not_used(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.verified = 10**6
    hub.deltas(("w1", POST))
    monkeypatch.setattr(hub.fake.git, "tree", lambda commit: "1" * 40)
    with pytest.raises(RemoteRefused, match=r"where .* was meant"):
        hub.run()
    assert (hub.fake.git.tip(HEAD), hub.fake.pulls) == (None, {})
    assert hub.fake.git.run("for-each-ref", "--format=%(refname)", "refs/heads/dreamcatcher-build") == ""


@pytest.mark.parametrize(("size", "email"), [(10**6, "noreply@github.com"), (10, AUTHOR.email)])
def test_a_verified_commit_goes_straight_to_a_branch_as_well(hub: Hub, size: int, email: str) -> None:
    hub.deltas(("w1", POST))
    with Repository.open(hub.place) as repository:
        remote = Remote(repository, "origin")
        github = GitHub(SLUG, TOKEN, hub.fake.url, pace=0)

        def tip() -> Any:
            remote.fetch(["+refs/heads/*:refs/remotes/origin/*"])
            return open_base(repository, str(repository.resolve("refs/remotes/origin/main")))

        ref = "refs/heads/main"
        commits = VerifiedCommits(repository, remote, github, size=size)
        publisher = VerifiedPublisher(commits, repository, ref, AUTHOR, PushPublisher(remote, ref, AUTHOR))
        now = MORNING + timedelta(hours=1)
        hub.fake.after["POST .*/graphql"] = lambda: hub.deltas(("w2", MORE))  # main moves meanwhile
        done = run_until_settled(tip, repository, InboxTransport(repository, Paths("state")), publisher, now)
    assert (done.published.operation, done.published.commit) == ("pushed", hub.fake.git.tip("main"))
    assert hub.fake.git.run("log", "-1", "--format=%ce", "main") == email
    assert hub.frames == ["0", "1"]
    assert done.frame is not None
    assert len(done.frame.receipts) == (2 if size > 10 else 1)
