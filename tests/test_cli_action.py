"""`dreamcatcher action`: a step of a workflow, with the runner's environment and a real repository."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command import INBOX, Said, begun, deliver, delta, listing, masked, run
from tests.repo import Repo
from tests.test_actions import RUNNER, outputs_of, runner_reads

KAI = {"profile_updates": [{"agent_id": "agent-kai", "name": "Kai"}]}
HOSTILE = "\n::error::stolen\r##[group]stolen ``` @octocat closes #1"


@dataclass
class Step:
    """A step in a workspace; `environ` is what the runner tells it."""

    repo: Repo
    patch: pytest.MonkeyPatch

    @property
    def summary(self) -> str:
        place = self.repo.path.parent / "summary"
        return place.read_text() if place.exists() else ""

    def run(self, **environ: str) -> Said:
        places = {
            "GITHUB_WORKSPACE": str(self.repo.path),
            "GITHUB_STEP_SUMMARY": str(self.repo.path.parent / "summary"),
            "GITHUB_OUTPUT": str(self.repo.path.parent / "output"),
        }
        for name in ("summary", "output"):
            (self.repo.path.parent / name).unlink(missing_ok=True)
        for name, value in {**RUNNER, **places, **environ}.items():
            kind, _, rest = name.partition("_")
            self.patch.setenv(f"INPUT_{rest.replace('_', '-')}" if kind == "INPUT" else name, value)
        return run("action")

    @property
    def outputs(self) -> dict[str, str]:
        return outputs_of((self.repo.path.parent / "output").read_text(encoding="utf-8"))


@pytest.fixture
def step(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Step:
    return Step(begun(repo), monkeypatch)


def test_committed_deltas_are_merged_into_the_branch_that_is_checked_out(step: Step) -> None:
    step.repo.commit({f"{INBOX}/frame-405-w1.json": delta("w1", **KAI)})
    done = step.run()
    assert (done.code, done.err) == (0, "")
    assert masked(done.out) == (
        "Frame 405 is merged: 1 delta, 1 operation applied.\n\n"
        "By collection\n"
        "  collection  applied\n"
        "  agents            1\n\n"
        "Commit <commit>; look at it: git show --stat <short>\n"
        "Frame 406 is open.\n"
    )
    assert masked(step.summary) == (
        "### Frame 405 is merged: 1 delta, 1 operation applied.\n\n"
        "#### By collection\n\n"
        "| collection | applied |\n| --- | ---: |\n| agents | 1 |\n\n"
        "```text\n"
        "Commit <commit>; look at it: git show --stat <short>\n"
        "Frame 406 is open.\n"
        "```\n"
    )
    assert step.repo.git("log", "-1", "--format=%s") == "merge frame 405: 1 delta, 1 agents"
    assert step.repo.status == []


def test_refused_deltas_are_annotated_where_they_lie(step: Step) -> None:
    deliver(step.repo, delta("w1", **KAI))
    step.repo.write(f"{INBOX}/frame-405-w2.json", b'{"frame": 405,\n')
    done = step.run()
    assert [line for line in done.out.splitlines() if runner_reads(line)] == [
        "::warning file=state/stream_deltas/frame-405-w2.json,line=1,title=Delta quarantined::"
        "The file ends in the middle of an object that begins in line 1.%0A"
        "Write the whole file again; write under a temporary name and rename it, so that no half file is ever seen."
    ]


def test_the_tenth_annotation_tells_how_many_more_there_are(step: Step) -> None:
    for number in range(12):
        step.repo.write(f"{INBOX}/frame-405-w{number}.json", b"{" * number)
    warnings = [line for line in step.run().out.splitlines() if runner_reads(line)]
    assert len(warnings) == 10
    assert warnings[-1] == "::warning title=Deltas quarantined::3 more deltas quarantined; see the summary"


def test_no_text_of_a_worker_becomes_a_command_or_markdown(step: Step) -> None:
    deliver(
        step.repo,
        delta("w1", profile_updates=[{"agent_id": HOSTILE, "name": HOSTILE, "bio": HOSTILE}]),
        delta("w2", profile_updates=[{"agent_id": HOSTILE, "name": "n", "bio": "other"}]),
        delta("w3", comments_added=[{"post_number": 1, "author": HOSTILE, "body": HOSTILE}]),
        delta("w4", **{HOSTILE: [HOSTILE]}),
    )
    step.repo.write(f"{INBOX}/::error::stolen ##[group].json", b"{}")
    done = step.run()
    assert done.code == 0, done.err
    commands = [line for line in re.split(r"[\r\n]", done.out + done.err) if runner_reads(line)]
    assert [line for line in commands if not line.startswith("::warning ")] == []
    assert len(commands) == 2
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", step.summary, flags=re.DOTALL | re.MULTILINE)
    assert "stolen" in step.summary
    assert "stolen" not in outside and "octocat" not in outside and "#1" not in outside, outside


def test_a_merge_that_cannot_go_on_says_why_in_all_three_places(step: Step) -> None:
    step.repo.commit({"state/_meta.json": b"{\n<<<<<<< ::error::stolen\n"})
    before = step.repo.head
    done = step.run()
    assert (done.code, step.repo.head) == (1, before)
    letter = "The state cannot be read, so nothing was merged and nothing was written.\n  state/_meta.json:2"
    assert letter in done.err
    assert done.out.startswith(f"::error title=Dream Catcher::{letter.replace(chr(10), '%0A')}")
    assert done.out.count("\n") == 1
    assert step.summary.startswith(f"### Nothing was merged\n\n```text\n{letter}")


def test_a_dry_run_changes_nothing(step: Step) -> None:
    deliver(step.repo, delta("w1", **KAI))
    before = listing(step.repo.path)
    done = step.run(INPUT_DRY_RUN="true")
    assert (done.code, done.out.splitlines()[0]) == (
        0,
        "Dry run, nothing was written. Frame 405 would be merged: 1 delta, 1 operation applied.",
    )
    assert listing(step.repo.path) == before


def test_the_settings_input_names_the_file_that_is_read(step: Step) -> None:
    step.repo.commit({"other.yml": b"max-delta-bytes: 1024\n", f"{INBOX}/frame-405-w1.json": b"{" + b" " * 2000})
    assert "at most 1,024 are read" in step.run(INPUT_SETTINGS="other.yml").out


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_a_checkout_of_a_tag_merges_into_the_remote_s_branch_as_it_was_fetched(
    step: Step, tmp_path: Path, dry_run: str
) -> None:
    step.repo.commit({f"{INBOX}/frame-405-w1.json": delta("w1", **KAI)})
    step.repo.git("tag", "v1")
    step.repo.git("clone", "--quiet", str(step.repo.path), str(tmp_path / "clone"))
    clone = Repo(tmp_path / "clone")
    clone.git("checkout", "--quiet", "--detach", "v1")
    clone.git("branch", "--quiet", "-D", "main")
    before = listing(clone.path)
    done = Step(clone, step.patch).run(GITHUB_REF="refs/tags/v1", INPUT_BASE="main", INPUT_DRY_RUN=dry_run)
    assert (done.code, done.err) == (0, "")
    if dry_run == "true":
        assert "Branch origin/main is not checked out here" in done.out
        assert "Frame 405 would be merged" in done.out
        assert listing(clone.path) == before
    else:
        assert "Branch main is not checked out here" in done.out
        assert clone.git("log", "-1", "--format=%s", "main").startswith("merge frame 405")
        assert clone.head == clone.git("rev-parse", "v1")


@pytest.mark.parametrize(
    ("environ", "letter"),
    [
        ({"INPUT_DRY_RUN": "yes"}, 'input `dry-run` is "yes". Write `true` or `false`.'),
        ({"INPUT_BASE": "no-such"}, "There is no branch no-such in this checkout"),
        ({"GITHUB_REF": "refs/pull/7/merge"}, "Set `base` to the branch to merge into."),
        ({"GITHUB_WORKSPACE": ""}, "elsewhere use `dreamcatcher merge`"),
    ],
)
def test_a_wrong_start_is_a_letter(step: Step, environ: dict[str, str], letter: str) -> None:
    before = listing(step.repo.path)
    done = step.run(**environ)
    assert (done.code, letter in done.err) == (1, True), done.err
    assert done.out.startswith("::error title=Dream Catcher::")
    assert listing(step.repo.path) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work in a folder of somebody else")
@pytest.mark.parametrize("damaged", [False, True])
def test_the_workspace_s_owner_gets_everything_back_also_after_a_failure(step: Step, damaged: bool) -> None:
    deliver(step.repo, delta("w1", **KAI))
    if damaged:
        step.repo.commit({"state/_meta.json": b"{"})
    for path in [step.repo.path, *step.repo.path.rglob("*")]:
        os.chown(path, 1001, 1001, follow_symlinks=False)
    (step.repo.path / "by-root").write_text("left by a step before")
    done = step.run()
    assert done.code == (1 if damaged else 0), done.err
    assert {path.lstat().st_uid for path in step.repo.path.rglob("*")} == {1001}


def test_a_report_that_fails_does_not_unsay_the_frame(step: Step) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    deliver(step.repo, delta("w1", **KAI))
    step.patch.setattr("merge_bot.report.as_page", fails)
    done = step.run()
    assert (done.code, step.outputs["operation"], step.outputs["frame"]) == (3, "pushed", "405")
    assert step.outputs["commit-sha"] == step.repo.head
    assert step.summary.startswith("### The merge came to its end, but not all of it could be told here\n\n```text\n")


@pytest.mark.parametrize("file", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
def test_files_of_the_runner_that_cannot_be_written_are_told_in_the_log(step: Step, tmp_path: Path, file: str) -> None:
    deliver(step.repo, delta("w1", **KAI))
    done = step.run(**{file: str(tmp_path / "no-such" / "file")})
    assert (done.code, "No such file or directory" in done.err) == (3, True)
    assert done.err.count("This is a bug of ours") == 1
    assert "::error title=Dream Catcher::[Errno 2] No such file or directory" in done.out
    assert step.repo.git("log", "-1", "--format=%s").startswith("merge frame 405")


def test_a_workspace_that_cannot_be_handed_back_is_a_warning_and_changes_nothing_else(step: Step) -> None:
    def fails(_: Path) -> int:
        raise PermissionError(1, "Operation not permitted", "state/\n::error::stolen")

    step.patch.setattr("merge_bot.workspace.hand_back", fails)
    deliver(step.repo, delta("w1", **KAI))
    done = step.run()
    assert (done.code, done.err, step.outputs["frame"]) == (0, "", "405")
    assert [line for line in done.out.splitlines() if runner_reads(line)] == [
        "::warning title=Dream Catcher::Some files of the workspace still belong to this step's user: [Errno 1] "
        "Operation not permitted: 'state/\\n::error::stolen'. A later step may not be able to change them. The merge "
        "itself is not concerned."
    ]


def test_a_cancelled_step_ends_in_order(step: Step, tmp_path: Path) -> None:
    """SIGTERM while git is at work: a wrapper of git tells that it was started, and waits."""
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "git").write_text(f"#!/bin/sh\necho started >{fifo}\nexec sleep 60\n")
    (tools / "git").chmod(0o755)
    environ = {**os.environ, **RUNNER, "GITHUB_WORKSPACE": str(step.repo.path), "GITHUB_STEP_SUMMARY": ""}
    environ |= {"GITHUB_OUTPUT": ""}
    environ |= {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parent.parent)}
    process = subprocess.Popen(
        [sys.executable, "-m", "merge_bot", "action"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    fifo.read_text()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert out.decode().startswith("::error title=Dream Catcher::The step was cancelled.")
    assert err.decode() == (
        "Interrupted. The repository holds the old frame or the new one, whole; running again is safe.\n"
    )
