"""`dreamcatcher action` with a token: no checkout, a real remote over HTTP, and a GitHub that merges for real."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from merge_bot.cli.waiting import wait_for_workers
from merge_bot.collect import Collected
from merge_bot.git.remote import Credentials
from merge_bot.history import History
from merge_bot.remote_clone import RemoteClone
from merge_bot.target import Target
from merge_bot.verify import verify
from tests.command import Said, delta, masked, run
from tests.fake_github import TOKEN
from tests.http_remote import Push, protected
from tests.hub import Hub, hub
from tests.remote_world import hasty
from tests.test_actions import RUNNER, outputs_of, runner_reads

KAI = {"profile_updates": [{"agent_id": "agent-kai", "name": "Kai"}]}
NOTHING = {"operation": "none", "frame": "", "commit-sha": "", "pull-request-number": "", "pull-request-url": ""}


@dataclass
class Job:
    """A job on the hub; each step has an empty workspace and files of its own."""

    hub: Hub
    root: Path
    patch: pytest.MonkeyPatch
    summary: str = ""

    def step(self, **environ: str) -> Said:
        for name in ("output", "summary"):
            (self.root / name).unlink(missing_ok=True)
        places = {
            "GITHUB_WORKSPACE": str(self.root / "workspace"),
            "GITHUB_STEP_SUMMARY": str(self.root / "summary"),
            "GITHUB_OUTPUT": str(self.root / "output"),
        }
        for name, value in {**RUNNER, **self.hub.environ, **places, **environ}.items():
            kind, _, rest = name.partition("_")
            self.patch.setenv(f"INPUT_{rest.replace('_', '-')}" if kind == "INPUT" else name, value)
        done = run("action")
        self.summary = (self.root / "summary").read_text(encoding="utf-8")
        shown = done.out.replace(f"::add-mask::{TOKEN}\n", "", 1) + done.err + self.summary
        assert TOKEN not in shown and TOKEN not in (self.root / "output").read_text()
        assert list((self.root / "workspace").iterdir()) == []
        return done

    @property
    def outputs(self) -> dict[str, str]:
        return outputs_of((self.root / "output").read_text(encoding="utf-8"))

    def main(self, *arguments: str) -> str:
        return self.hub.server.repo.git(*arguments)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file:http")
    (tmp_path / "workspace").mkdir()
    with hub(tmp_path) as made:
        yield Job(made, tmp_path, monkeypatch)


def test_the_inbox_and_the_delta_branches_become_one_pushed_frame(job: Job) -> None:
    job.hub.deliver(w1=delta("w1", **KAI))
    job.hub.submit("w2", "frame-405-w2.json", delta("w2", stats_increments={"total_posts": 1}))
    done = job.step()
    assert (done.code, done.err) == (0, "")
    assert "Frame 405 is merged: 2 deltas, 2 operations applied." in done.out
    assert job.summary.startswith("### Frame 405 is merged: 2 deltas, 2 operations applied.")
    tip, manifest = job.hub.server.tip(), job.main("show", "main:state/frames/000/000405/manifest.json")
    told = job.outputs
    assert 0 <= int(told.pop("oldest-pending-seconds")) < 600
    assert told == {
        "operation": "pushed",
        "frame": "405",
        "commit-sha": tip,
        "pull-request-number": "",
        "pull-request-url": "",
        "deltas-merged": "2",
        "deltas-quarantined": "0",
        "conflicts": "0",
        "parked": "0",
        "state-digest": json.loads(manifest)["state_tree"],
    }


def test_with_nothing_pending_nothing_happens_and_the_digest_is_the_state_s(job: Job) -> None:
    tip = job.hub.server.tip()
    assert job.step().code == 0
    meta = json.loads(job.main("show", "main:state/frames/000/000404/manifest.json"))
    counts = dict.fromkeys(
        ("deltas-merged", "deltas-quarantined", "conflicts", "parked", "oldest-pending-seconds"), "0"
    )
    assert job.outputs == {**NOTHING, **counts, "state-digest": meta["state_tree"]}
    assert job.hub.server.tip() == tip


def test_a_dry_run_pushes_nothing(job: Job) -> None:
    job.hub.deliver(w1=delta("w1", **KAI))
    tip = job.hub.server.tip()
    assert job.step(INPUT_DRY_RUN="true").code == 0
    assert (job.outputs["operation"], job.outputs["frame"], job.outputs["deltas-merged"]) == ("none", "405", "1")
    assert (job.hub.server.tip(), job.hub.server.pushes) == (tip, [])


@pytest.mark.parametrize(("on_invalid", "code"), [("quarantine", 0), ("fail", 1)])
def test_a_quarantined_delta_may_fail_the_step_and_the_frame_lands_anyway(job: Job, on_invalid: str, code: int) -> None:
    job.hub.deliver(w1=delta("w1", **KAI), w2=b"{")
    done = job.step(INPUT_ON_INVALID=on_invalid)
    assert done.code == code
    told = job.outputs
    assert (told["operation"], told["deltas-merged"], told["deltas-quarantined"]) == ("pushed", "1", "1")
    assert job.main("log", "-1", "--format=%s", "main").startswith("merge frame 405: 1 delta")
    errors = [line for line in done.out.splitlines() if line.startswith("::error")]
    assert errors == code * [
        "::error title=Dream Catcher::1 delta was quarantined, and the input `on-invalid` is `fail`, so this step "
        "fails. The frame itself has landed, without them; their letters are above and in the summary."
    ]


def test_a_rule_of_the_branch_is_told_with_the_way_out(job: Job) -> None:
    job.hub.deliver(w1=delta("w1", **KAI))
    job.hub.server.hook("pre-receive", protected("GH006"))
    done = job.step()
    assert (done.code, job.outputs) == (1, {"operation": "none"})
    assert "mode: pull-request" in done.err and "mode: pull-request" in job.summary


def test_a_branch_that_never_rests_is_contended_and_the_step_fails(job: Job) -> None:
    job.hub.deliver(w1=delta("w1", **KAI))

    def overtake(_: Push) -> None:
        git = job.hub.server.repo.git
        tip = git("rev-parse", "main")
        git("update-ref", "refs/heads/main", git("commit-tree", "main^{tree}", "-p", tip, "-m", "someone else"))

    job.hub.server.before_push = overtake
    job.patch.setattr("merge_bot.remote_clone.Patience", lambda _: hasty())
    done = job.step()
    assert (done.code, job.outputs) == (75, {"operation": "contended"})
    assert job.summary.startswith("### Nothing was merged")
    assert done.out.splitlines()[-1].startswith("::error title=Dream Catcher::")


def test_a_token_that_is_refused_is_told_and_never_shown(job: Job) -> None:
    job.hub.server.token = "another"
    done = job.step()
    assert (done.code, job.outputs) == (1, {"operation": "none"})
    assert "permissions: contents: read" in done.err


def test_a_pull_request_is_created_updated_merged_and_its_frame_known_again(job: Job) -> None:
    job.hub.deliver(w1=delta("w1", **KAI))
    base = job.hub.server.tip()
    done = job.step(INPUT_MODE="pull-request")
    assert (done.code, done.err) == (0, "")
    assert "Frame 405 is proposed in pull request #1" in done.out
    url = f"{job.hub.github.url}/octo/world/pull/1"
    told = job.outputs
    assert (told["operation"], told["pull-request-number"], told["pull-request-url"]) == ("created", "1", url)
    assert told["commit-sha"] == job.hub.server.tip("refs/heads/dreamcatcher/main")
    assert job.hub.server.tip() == base

    job.hub.submit("w2", "frame-405-w2.json", delta("w2", stats_increments={"total_posts": 1}))
    assert job.step(INPUT_MODE="pull-request").code == 0
    assert (job.outputs["operation"], job.outputs["deltas-merged"]) == ("updated", "2")

    assert job.step(INPUT_MODE="pull-request", INPUT_AUTO_MERGE="squash").code == 0
    assert job.outputs["operation"] == "merged"
    assert job.outputs["commit-sha"] == job.hub.server.tip() != base

    assert job.step(INPUT_MODE="pull-request").code == 0
    assert (job.outputs["operation"], job.outputs["frame"]) == ("none", "")


@pytest.mark.parametrize("mode", ["commit", "pull-request"])
def test_a_commit_that_github_makes_is_its_own_and_holds_the_same_frame(job: Job, mode: str) -> None:
    job.hub.deliver(w1=delta("w1", **KAI))
    base = job.hub.server.tip()
    done = job.step(INPUT_COMMIT_MODE="api", INPUT_MODE=mode)
    assert (done.code, done.err) == (0, "")
    commit = job.outputs["commit-sha"]
    where = "refs/heads/main" if mode == "commit" else "refs/heads/dreamcatcher/main"
    assert (commit, job.main("rev-parse", f"{commit}^")) == (job.hub.server.tip(where), base)
    assert job.main("log", "-1", "--format=%ce", commit) == "noreply@github.com"
    assert job.main("for-each-ref", "refs/heads/dreamcatcher-build") == "" and job.hub.server.pushes == []
    manifest = json.loads(job.main("show", f"{commit}:state/frames/000/000405/manifest.json"))
    assert (manifest["state_tree"], job.outputs["frame"]) == (job.outputs["state-digest"], "405")
    if mode == "pull-request":
        job.hub.github.merge(1, "squash")
    assert job.step(INPUT_COMMIT_MODE="api", INPUT_MODE=mode).code == 0
    assert job.outputs["operation"] == "none"


def test_what_the_api_does_not_take_goes_by_git_and_the_run_says_so(job: Job) -> None:
    job.patch.setattr("merge_bot.publish.verified.VerifiedCommits.put", lambda *_: "It is too large for the API.")
    job.hub.deliver(w1=delta("w1", **KAI))
    done = job.step(INPUT_COMMIT_MODE="api")
    assert (done.code, job.outputs["operation"], len(job.hub.server.pushes)) == (0, "pushed", 1)
    assert "It is too large for the API." in done.out and "It is too large for the API." in job.summary


def test_a_rule_against_commits_by_the_api_is_told(job: Job) -> None:
    job.hub.deliver(w1=delta("w1", **KAI))
    job.hub.github.refuse("POST /graphql", 403, "Resource not accessible by integration")
    done = job.step(INPUT_COMMIT_MODE="api")
    assert (done.code, job.outputs) == (1, {"operation": "none"})
    assert "The token may not" in done.err


def test_labels_are_added_and_those_of_people_stay(job: Job) -> None:
    given = {"INPUT_MODE": "pull-request", "INPUT_LABELS": "state, Needs: review\nstate"}
    job.hub.deliver(w1=delta("w1", **KAI), w2=b"{")
    assert job.step(**given).code == 0
    pull = job.hub.github.pulls[1]
    assert pull.labels == ["Needs: review", "dreamcatcher", "dreamcatcher: quarantined", "state"]
    pull.labels = ["by hand", "Dreamcatcher", "dreamcatcher: parked", "needs: review"]
    job.hub.submit("w3", "frame-405-w3.json", delta("w3", stats_increments={"total_posts": 1}))
    assert job.step(**given).code == 0
    assert pull.labels == ["Dreamcatcher", "by hand", "dreamcatcher: quarantined", "needs: review", "state"]


def test_a_pull_request_that_a_person_touched_is_left_alone_and_said(job: Job) -> None:
    job.hub.deliver(w1=delta("w1", **KAI))
    job.step(INPUT_MODE="pull-request")
    git = job.hub.server.repo.git
    commit = git("commit-tree", "dreamcatcher/main^{tree}", "-p", "dreamcatcher/main", "-m", "by hand")
    git("update-ref", "refs/heads/dreamcatcher/main", commit)
    job.hub.submit("w2", "frame-405-w2.json", delta("w2", stats_increments={"total_posts": 1}))
    done = job.step(INPUT_MODE="pull-request")
    assert done.code == 0
    assert "Pull request #1 was changed by hand" in done.out
    assert "Frame 405 waits in pull request #1" in done.out
    assert (job.outputs["operation"], job.outputs["pull-request-number"]) == ("none", "1")
    assert job.hub.server.tip("refs/heads/dreamcatcher/main") == commit


LIMITED = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1774400000"}
BAD_DAYS: list[tuple[str, Callable[[Job], object], int, str]] = [
    (
        "rate limit",
        lambda job: job.hub.github.refuse("GET .*/pulls", 403, "API rate limit exceeded", **LIMITED),
        75,
        "GitHub's rate limit is reached, so nothing more was asked of it. It is lifted at 2026-03-25T00:53:20Z.",
    ),
    (
        "actions may not",
        lambda job: setattr(job.hub.github, "may_open", False),
        1,
        "Settings > Actions > General > Workflow permissions",
    ),
    (
        "the API is down",
        lambda job: job.hub.github.refuse("GET .*/pulls", 503, "Service Unavailable"),
        75,
        "Nothing is lost: run the merge again in a while.",
    ),
    (
        "no rights",
        lambda job: job.hub.github.refuse("POST .*/pulls", 403, "Resource not accessible by integration"),
        1,
        "pull-requests: write",
    ),
    (
        "somebody's branch",
        lambda job: job.main("update-ref", "refs/heads/dreamcatcher/main", job.main(
            "commit-tree", "main^{tree}", "-p", "main", "-m", "mine")),
        1,
        "dreamcatcher/main",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("happens", "code", "letter"), [row[1:] for row in BAD_DAYS], ids=[row[0] for row in BAD_DAYS])
def test_a_bad_day_of_a_pull_request_has_its_letter_and_loses_nothing(
    job: Job, happens: Callable[[Job], object], code: int, letter: str
) -> None:
    job.hub.deliver(w1=delta("w1", **KAI))
    base = job.hub.server.tip()
    job.patch.setattr("merge_bot.github_api._TRIES", 0)
    happens(job)
    done = job.step(INPUT_MODE="pull-request")
    assert (done.code, job.outputs) == (code, {"operation": "contended" if code == 75 else "none"})
    assert letter in done.err and letter in job.summary
    assert (job.hub.server.tip(), job.hub.github.open_pulls()) == (base, [])
    job.hub.github.may_open = True
    job.main("update-ref", "-d", "refs/heads/dreamcatcher/main")
    assert job.step(INPUT_MODE="pull-request").code == 0
    assert (job.outputs["operation"], job.outputs["deltas-merged"]) == ("created", "1")


def test_a_remote_that_is_away_is_contended_and_the_next_run_merges(job: Job) -> None:
    job.hub.deliver(w1=delta("w1", **KAI))
    job.hub.server.fail_reads = 1000
    done = job.step()
    assert (done.code, job.outputs) == (75, {"operation": "contended"})
    assert "could not be reached, or did not answer as a git server does" in done.err
    assert "502" in done.err and "502" in job.summary
    job.hub.server.fail_reads = 0
    assert (job.step().code, job.outputs["deltas-merged"]) == (0, "1")


HOSTILE = [
    "\n::error::stolen",
    "\r::add-mask::stolen",
    "  ##[group]stolen",
    "::set-output name=operation::stolen",
    "stolen\noperation=stolen",
    "@stolen &#64;stolen",
    "closes #1 stolen GH-1",
    "![stolen](https://stolen.example/x.png)",
    "```\n<img src=https://stolen.example>\n<!-- stolen",
    "[bold red]stolen[/] \x1b[31mstolen\x9b",
    "| stolen | $(touch stolen) `touch stolen` ${{ github.token }}",
    "../../../stolen\x00",
    "refs/heads/main:stolen --upload-pack=stolen",
    "\u202estolen\u2028::error::stolen",
]


@pytest.mark.parametrize("mode", ["commit", "pull-request"])
def test_hostile_texts_leave_by_no_exit(job: Job, mode: str) -> None:
    """Every field, name and branch that a worker chooses; what the runner and readers of Markdown would act on."""
    deltas = {
        f"w{number}": delta(
            f"w{number}",
            profile_updates=[{"agent_id": text, "name": text, "bio": text}],
            comments_added=[{"post_number": 9, "author": text, "body": text}],
            **{text: [text]},
        )
        for number, text in enumerate(HOSTILE)
    }
    fine = {
        f"v{number}": delta(
            f"v{number}",
            profile_updates=[
                {"agent_id": f"agent-{number}", "name": text, "bio": text},
                {"agent_id": "same", "bio": text},
            ],
            comments_added=[{"post_number": 9, "author": text, "body": text}],
        )
        for number, text in enumerate(HOSTILE)
    }
    job.hub.deliver(**deltas, **fine)
    job.hub.commit({"state/stream_deltas/::error::stolen ##[x] @stolen.json": b"{}"})
    job.hub.submit("w99", "::error::stolen ##[x] @stolen.json", b'{"::error::stolen')
    job.hub.submit("-stolen--upload-pack", "frame-405-x.json", delta("stolen"))
    done = job.step(INPUT_MODE=mode)
    assert done.code == 0, done.err
    told = job.outputs
    assert "stolen" not in json.dumps(told) and int(told["deltas-quarantined"]) > 0
    lines = (done.out + "\n" + done.err).replace("\r", "\n").split("\n")
    commands = [line for line in lines if runner_reads(line)]
    assert {line.partition("::")[2].partition(" ")[0].partition("::")[0] for line in commands} == {
        "add-mask",
        "warning",
    }
    assert len(commands) == 11  # the mask, nine of the quarantined, and how many more there are
    assert all("stolen" not in line for line in commands if line.startswith("::add-mask"))
    assert not any(sign in done.out + done.err + job.summary for sign in "\x1b\x9b\x00\u202e\u2028")
    assert outside_of_code(job.summary) == []
    if mode == "pull-request":
        pull = job.hub.github.pulls[1]
        assert "stolen" not in pull.title + "".join(pull.labels) and outside_of_code(pull.body) == []
    commit = told["commit-sha"]
    assert "stolen" not in job.main("log", "-1", "--format=%B%an%ae%cn%ce", commit)
    assert [path for path in job.main("ls-tree", "-r", "--name-only", "-z", commit).split("\0") if ".." in path] == []


def outside_of_code(markdown: str) -> list[str]:
    """The lines with worker text that stand in no fence and no code span."""
    fence, found = "", []
    for line in markdown.split("\n"):
        ticks = line[: len(line) - len(line.lstrip("`"))]
        if fence:
            fence = "" if line == fence else fence
        elif len(ticks) >= 3:
            fence = ticks
        elif "stolen" in line:
            found.append(line)
    return found


def test_the_token_is_in_no_file_of_git_and_in_no_command_line(job: Job, tmp_path: Path) -> None:
    """A git in front of git notes what it is started with, and what settings the repository has at that time."""
    real = subprocess.run(["sh", "-c", "command -v git"], capture_output=True, text=True, check=True).stdout.strip()
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "git").write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/seen\n'
        f"{real} config --list --local >>{tmp_path}/seen 2>/dev/null\n"
        f'exec {real} "$@"\n'
    )
    (tools / "git").chmod(0o755)
    job.patch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    job.hub.deliver(w1=delta("w1", **KAI))
    assert job.step().code == 0
    seen = (tmp_path / "seen").read_text()
    assert "push" in seen and TOKEN not in seen and "eC1hY2Nlc3M" not in seen  # "x-access…" in base64


def test_what_is_said_of_a_world_with_another_default_branch(job: Job) -> None:
    done = job.step(INPUT_BASE="trunk")
    assert (done.code, masked(done.err).count("has no branch trunk")) == (1, 1)
    assert (
        "Its default branch is main: was it renamed? Name the right one with the action's input `base`.\n" in done.err
    )


def test_deltas_tell_when_they_were_committed(job: Job) -> None:
    job.hub.deliver(w1=delta("w1", **KAI))
    first = int(job.main("log", "-1", "--format=%ct", "main"))
    job.hub.commit({"elsewhere": b"later"})
    job.patch.setenv("GIT_COMMITTER_DATE", "2026-04-01T00:00:00Z")
    job.hub.submit("w2", "frame-405-w2.json", delta("w2", **KAI))
    job.patch.delenv("GIT_COMMITTER_DATE")
    target = Target(job.hub.server.url, root=job.root, credentials=Credentials(TOKEN))
    with RemoteClone.open(target) as clone:
        assert {one.path.rpartition("/")[2]: one.arrived for one in clone.collected().candidates} == {
            "frame-405-w1.json": first,
            "frame-405-w2.json": int(datetime(2026, 4, 1, tzinfo=UTC).timestamp()),
        }


@pytest.mark.parametrize(
    ("told", "grace"), [({}, None), ({"INPUT_GRACE_SECONDS": "7"}, 7), ({"INPUT_DRY_RUN": "true"}, 0)]
)
def test_the_input_says_how_long_the_frame_stays_open(job: Job, told: dict[str, str], grace: int | None) -> None:
    seen = []

    def look_once(look: Callable[[], Collected], seconds: int | None) -> object:
        seen.append(seconds)
        return wait_for_workers(look, 0)

    job.patch.setattr("merge_bot.cli.ran.wait_for_workers", look_once)
    assert job.step(**told).code == 0
    assert seen == [grace]


def test_what_arrives_while_a_frame_stays_open_is_in_it(job: Job) -> None:
    job.hub.deliver(w1=delta("w1", **KAI))

    def wait(look: Callable[[], Collected], seconds: int | None) -> object:
        found = wait_for_workers(look, 0)
        job.hub.submit("w2", "frame-405-w2.json", delta("w2", stats_increments={"total_posts": 1}))
        return found

    job.patch.setattr("merge_bot.cli.ran.wait_for_workers", wait)
    assert job.step().code == 0
    assert job.outputs["deltas-merged"] == "2"


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_a_pull_request_of_many_workers_shows_what_the_frame_changed(job: Job, tmp_path: Path, method: str) -> None:
    """With the delta branches as the archive; however it lands, the frame is proven and replayed from there."""
    job.hub.commit({".github/dreamcatcher.yml": b"archive: branches\n"})
    for number in range(20):
        one = delta(f"w{number}", stats_increments={"total_posts": 1})
        job.hub.submit(f"w{number}", f"frame-405-w{number}.json", one)
    assert job.step(INPUT_MODE="pull-request").code == 0
    shown = job.main("diff", "--name-only", "main", "dreamcatcher/main").splitlines()
    assert len(shown) < 10 and not [path for path in shown if "/deltas/" in path]
    assert job.step(INPUT_MODE="pull-request", INPUT_AUTO_MERGE=method).code == 0
    assert json.loads(job.main("show", "main:state/stats.json")) == {"total_posts": 20}
    job.hub.submit("w1", "frame-406-w1.json", delta("w1", 406, stats_increments={"total_posts": 1}))
    assert job.step(INPUT_MODE="pull-request", INPUT_AUTO_MERGE=method).code == 0
    job.main("clone", "--quiet", "--single-branch", "--no-local", str(job.hub.server.repo.path), str(tmp_path / "main"))
    with History(tmp_path / "main") as history:
        assert [history.replay(frame).same for frame in (405, 406)] == [True, True]
        assert verify(history).findings == []
