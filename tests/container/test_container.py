"""The image, started as the runner starts a Docker action: on a remote and a GitHub of our own, and in a checkout.

Needs an engine and a built image, so it has a target of its own (`make container-test`):
DREAMCATCHER_TEST_ENGINE (docker, "podman --runtime runc"), DREAMCATCHER_TEST_RUN_OPTIONS, DREAMCATCHER_TEST_IMAGE.
How the runner does it: https://github.com/actions/runner/blob/258d6c8/src/Runner.Worker/Handlers/ContainerActionHandler.cs
"""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.command import delta as delta_of
from tests.fake_github import TOKEN
from tests.hub import Hub, hub
from tests.test_action_remote import HOSTILE, outside_of_code
from tests.test_actions import outputs_of, runner_reads

pytestmark = pytest.mark.container

ROOT = Path(__file__).parent.parent.parent
ENGINE = shlex.split(os.environ.get("DREAMCATCHER_TEST_ENGINE", "docker"))
OPTIONS = [*shlex.split(os.environ.get("DREAMCATCHER_TEST_RUN_OPTIONS", ""))]
IMAGE = os.environ.get("DREAMCATCHER_TEST_IMAGE", "dreamcatcher:test")
OWNER = 1001 if os.geteuid() == 0 else os.geteuid()
MOUNTS = ("home", "workflow", "file_commands", "workspace")
ENVIRON = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    **{f"GIT_{role}_{what}": "tester@example" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_OPTIONAL_LOCKS": "0",  # looking does not rewrite the index, whose owner is looked at
    # where the tests run as root, the workspace belongs to another user
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}
DELTA = {
    "stream_id": "w1",
    "utc": "2026-03-25T03:14:22.000001Z",
    "profile_updates": [{"agent_id": "agent-aria", "name": "Aria", "bio": "rebel", "karma": 2}],
    "soul_updates": [{"agent_id": "agent-aria", "observation": "Aria argues well."}],
    "stats_increments": {"total_agents": 1},
}


@dataclass
class Runner:
    """A runner's folders, and a job's step in them."""

    root: Path

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    def step(
        self,
        environ: Mapping[str, str] = {},
        *,
        entrypoint: str = "",
        arguments: Sequence[str] = (),
        network: str = "none",
    ) -> subprocess.CompletedProcess[str]:
        """Starts the action, its inputs at their defaults, without a token; `environ` changes what it is told."""
        for name in ("set_output_1", "step_summary_1"):
            (self.root / "file_commands" / name).write_text("")
        self.give_away()
        inputs = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
        told = {
            "HOME": "/github/home",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": "/github/workspace",
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_EVENT_PATH": "/github/workflow/event.json",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
            "GITHUB_SHA": "0" * 40,
            "GITHUB_REPOSITORY": "octo/world",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_API_URL": "https://api.github.com",
            "GITHUB_GRAPHQL_URL": "https://api.github.com/graphql",
            "GITHUB_RUN_ID": "1658821493",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_OUTPUT": "/github/file_commands/set_output_1",
            "GITHUB_ENV": "/github/file_commands/set_env_1",
            "GITHUB_PATH": "/github/file_commands/add_path_1",
            "GITHUB_STATE": "/github/file_commands/save_state_1",
            "GITHUB_STEP_SUMMARY": "/github/file_commands/step_summary_1",
            **{f"INPUT_{name.upper().replace(' ', '_')}": one["default"] for name, one in inputs.items()},
            "INPUT_GITHUB-TOKEN": "",
            **environ,
        }
        return subprocess.run(
            [
                *ENGINE,
                *["run", "--rm", "--workdir", "/github/workspace"],
                *(word for name, value in told.items() for word in ("-e", f"{name}={value}")),
                *(word for name in MOUNTS for word in ("-v", f"{self.root / name}:/github/{name}")),
                *(["--entrypoint", entrypoint] if entrypoint else []),
                *["--network", network],
                *OPTIONS,
                IMAGE,
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    @property
    def outputs(self) -> dict[str, str]:
        return outputs_of((self.root / "file_commands" / "set_output_1").read_text(encoding="utf-8"))

    @property
    def summary(self) -> str:
        return (self.root / "file_commands" / "step_summary_1").read_text(encoding="utf-8")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.workspace, env=ENVIRON, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, files: dict[str, str | bytes]) -> None:
        """Commits files, then gives everything to the workspace's owner, as a checkout leaves it."""
        for name, content in files.items():
            path = self.workspace / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "by hand")
        self.give_away()

    def give_away(self) -> None:
        if os.geteuid() == 0:
            for path in [self.root, *self.root.rglob("*")]:
                os.chown(path, OWNER, OWNER, follow_symlinks=False)

    def listing(self) -> dict[str, tuple[int, int, bytes]]:
        """Every file of the workspace, `.git` included: mode, owner, content."""
        return {
            str(path.relative_to(self.workspace)): (
                (found := path.lstat()).st_mode,
                found.st_uid,
                path.read_bytes() if stat.S_ISREG(found.st_mode) else b"",
            )
            for path in sorted(self.workspace.rglob("*"))
        }


@pytest.fixture
def empty(tmp_path: Path) -> Runner:
    """A runner with an empty workspace: no checkout."""
    root = tmp_path / "runner"
    for name in MOUNTS:
        (root / name).mkdir(parents=True)
    (root / "workflow" / "event.json").write_text("{}")
    return Runner(root)


@pytest.fixture
def github(tmp_path: Path) -> Iterator[Hub]:
    with hub(tmp_path) as made:
        yield made


@pytest.fixture
def runner(empty: Runner) -> Runner:
    """A runner whose workspace holds a world without agents, on branch `main`, and no pending delta."""
    runner = empty
    runner.git("init", "--quiet", "--initial-branch", "main")
    subprocess.run(
        [sys.executable, "-m", "merge_bot", "init"],
        cwd=runner.workspace,
        env=ENVIRON,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    if runner.git("status", "--porcelain"):
        runner.commit({})
    runner.give_away()
    return runner


def delta(frame: int, **changes: object) -> bytes:
    return json.dumps({"frame": frame, **DELTA, **changes}).encode()


def open_frame(runner: Runner) -> int:
    frame: int = json.loads((runner.workspace / "state" / "_meta.json").read_bytes())["frame"]
    return frame


def test_committed_deltas_become_one_merge_commit_that_belongs_to_the_workspace_s_owner(runner: Runner) -> None:
    frame = open_frame(runner)
    first, second = delta(frame), delta(frame, stream_id="w2", profile_updates=[], soul_updates=[])
    inbox = f"state/stream_deltas/frame-{frame}"
    runner.commit({f"{inbox}-w1.json": first, f"{inbox}-w2.json": second})
    before = runner.git("rev-parse", "HEAD")

    done = runner.step()

    assert done.returncode == 0, done.stdout + done.stderr
    assert runner.git("rev-parse", "HEAD^") == before
    assert runner.git("log", "-1", "--format=%s").startswith(f"merge frame {frame}: 2 deltas")
    assert runner.git("status", "--porcelain") == ""
    assert open_frame(runner) == frame + 1
    assert [path.name for path in (runner.workspace / "state" / "stream_deltas").glob("*.json")] == []
    kept = (runner.workspace / "state" / "frames" / "000" / f"{frame:06}" / "deltas").rglob("*")
    assert {path.read_bytes() for path in kept if path.is_file()} == {first, second}
    assert json.loads((runner.workspace / "state" / "stats.json").read_bytes())["total_agents"] == 2
    assert {name: owner for name, (_, owner, _) in runner.listing().items() if owner != OWNER} == {}

    assert runner.step().returncode == 0
    assert runner.git("rev-parse", "HEAD^") == before, "with nothing pending there is no commit"


KAI = {"profile_updates": [{"agent_id": "agent-kai", "name": "Kai"}]}


def test_commit_mode_without_a_checkout(empty: Runner, github: Hub) -> None:
    github.deliver(w1=delta_of("w1", **KAI), w2=b"{")
    github.submit("w3", "frame-405-w3.json", delta_of("w3", stats_increments={"total_posts": 1}))
    before = github.server.tip()
    done = empty.step(github.environ, network="host")
    assert done.returncode == 0, done.stdout + done.stderr
    told = empty.outputs
    assert (told["operation"], told["frame"], told["commit-sha"]) == ("pushed", "405", github.server.tip())
    assert (told["deltas-merged"], told["deltas-quarantined"]) == ("2", "1")
    assert github.server.repo.git("rev-parse", "main^") == before
    assert "2 deltas, 2 operations applied, 1 quarantined" in empty.summary
    assert list(empty.workspace.iterdir()) == []
    assert {path.lstat().st_uid for path in (empty.root / "home").rglob("*")} <= {OWNER}
    shown = done.stdout.replace(f"::add-mask::{TOKEN}\n", "", 1) + done.stderr + empty.summary
    assert TOKEN not in shown


def test_pull_request_mode_without_a_checkout(empty: Runner, github: Hub) -> None:
    github.deliver(w1=delta_of("w1", **KAI))
    propose = {**github.environ, "INPUT_MODE": "pull-request"}
    assert empty.step(propose, network="host").returncode == 0
    assert (empty.outputs["operation"], empty.outputs["pull-request-number"]) == ("created", "1")
    assert empty.outputs["pull-request-url"] == f"{github.github.url}/octo/world/pull/1"
    github.submit("w3", "frame-405-w3.json", delta_of("w3", stats_increments={"total_posts": 1}))
    assert empty.step(propose, network="host").returncode == 0
    assert (empty.outputs["operation"], empty.outputs["deltas-merged"]) == ("updated", "2")
    github.github.merge(1, "squash")
    done = empty.step(propose, network="host")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (empty.outputs["operation"], empty.outputs["frame"]) == ("none", "")


@pytest.mark.parametrize("mode", ["commit", "pull-request"])
def test_github_makes_the_commit_where_that_is_wanted(empty: Runner, github: Hub, mode: str) -> None:
    github.deliver(w1=delta_of("w1", **KAI))
    told = {"INPUT_COMMIT-MODE": "api", "INPUT_MODE": mode}
    told |= {"INPUT_LABELS": "state, review"} if mode == "pull-request" else {}
    done = empty.step({**github.environ, **told}, network="host")
    assert done.returncode == 0, done.stdout + done.stderr
    commit = empty.outputs["commit-sha"]
    assert commit == github.server.tip("refs/heads/" + ("main" if mode == "commit" else "dreamcatcher/main"))
    assert github.server.repo.git("log", "-1", "--format=%ce", commit) == "noreply@github.com"
    assert github.server.pushes == []
    if mode == "pull-request":
        assert github.github.pulls[1].labels == ["dreamcatcher", "review", "state"]


def test_hostile_texts_leave_the_container_by_no_exit(empty: Runner, github: Hub) -> None:
    github.deliver(
        **{f"w{at}": delta_of(f"w{at}", **{text: [text]}) for at, text in enumerate(HOSTILE)},
        **{
            f"v{at}": delta_of(f"v{at}", profile_updates=[{"agent_id": "same", "name": "N", "bio": text}])
            for at, text in enumerate(HOSTILE)
        },
    )
    done = empty.step({**github.environ, "INPUT_MODE": "pull-request"}, network="host")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (done.stdout + "\n" + done.stderr).replace("\r", "\n").split("\n")
    read = [line for line in lines if runner_reads(line)]
    assert [line for line in read if not line.startswith(("::add-mask::", "::warning "))] == []
    assert "stolen" in empty.summary and outside_of_code(empty.summary) == []
    assert outside_of_code(github.github.pulls[1].body) == []
    assert "stolen" not in json.dumps(empty.outputs)


def test_a_dry_run_changes_nothing(runner: Runner) -> None:
    frame = open_frame(runner)
    runner.commit({f"state/stream_deltas/frame-{frame}-w1.json": delta(frame)})
    before = runner.listing()
    done = runner.step({"INPUT_DRY-RUN": "true"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert runner.listing() == before


@pytest.mark.parametrize("name", ["merge_bot.py", "merge_bot/__init__.py", "json.py", "sitecustomize.py"])
def test_modules_in_the_workspace_are_never_imported(runner: Runner, name: str) -> None:
    frame = open_frame(runner)
    trap = "open('/github/workspace/caught', 'w').close()\n"
    runner.commit({name: trap, f"state/stream_deltas/frame-{frame}-w1.json": delta(frame)})
    caught = runner.workspace / "caught"
    own = {"PYTHONPATH": "/github/workspace", "PYTHONSAFEPATH": ""}

    runner.step(own, entrypoint="/opt/dreamcatcher/bin/python", arguments=["-c", "import json, merge_bot"])
    assert caught.exists(), "the trap works"
    caught.unlink()

    done = runner.step(own)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not caught.exists()
    assert runner.git("log", "-1", "--format=%s").startswith(f"merge frame {frame}")


def test_unreadable_state_stops_the_merge_and_names_the_file(runner: Runner) -> None:
    frame = open_frame(runner)
    runner.commit({f"state/stream_deltas/frame-{frame}-w1.json": delta(frame)})
    assert runner.step().returncode == 0
    runner.commit(
        {
            "state/stats.json": '{\n<<<<<<< HEAD\n  "total_agents": 1\n=======\n  "total_agents": 2\n>>>>>>> x\n}\n',
            f"state/stream_deltas/frame-{frame + 1}-w1.json": delta(frame + 1),
        }
    )
    before = runner.git("rev-parse", "HEAD")
    done = runner.step()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "state/stats.json" in done.stdout + done.stderr
    assert runner.git("rev-parse", "HEAD") == before
    assert {name: owner for name, (_, owner, _) in runner.listing().items() if owner != OWNER} == {}


@pytest.mark.parametrize(
    ("environ", "letter"),
    [
        ({"INPUT_DRY-RUN": "yes"}, 'input `dry-run` is "yes". Write `true` or `false`.'),
        ({"INPUT_BASE": "no-such-branch"}, "no-such-branch"),
        ({"GITHUB_REF": "refs/pull/7/merge"}, "Set `base` to the branch to merge into."),
    ],
)
def test_a_wrong_start_is_a_known_problem(runner: Runner, environ: dict[str, str], letter: str) -> None:
    before = runner.listing()
    done = runner.step(environ)
    assert (done.returncode, letter in done.stdout + done.stderr) == (1, True), done.stdout + done.stderr
    assert runner.listing() == before


def test_no_text_of_a_worker_becomes_a_command(runner: Runner) -> None:
    frame = open_frame(runner)
    hostile = "\n::warning::stolen\n::add-mask::stolen\r::error::stolen\n ##[group]stolen"
    inbox = f"state/stream_deltas/frame-{frame}"
    runner.commit(
        {
            f"{inbox}-w1.json": delta(frame, **{hostile: [hostile]}),
            f"{inbox}-w2.json": delta(frame, stream_id=hostile),
            f"{inbox}-w3.json": delta(frame, stream_id="w3", profile_updates=[{"agent_id": hostile, "name": 3}]),
            f"{inbox}-w4.json": delta(
                frame, stream_id="w4", soul_updates=[{"agent_id": hostile, "observation": hostile}]
            ),
            "state/stream_deltas/::error::stolen.json": "{}",
        }
    )
    done = runner.step()
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (done.stdout + "\n" + done.stderr).replace("\r", "\n").split("\n")
    read = [line for line in lines if line.lstrip().startswith("::") or "##[" in line]
    assert [line for line in read if not line.startswith(("::error ", "::warning ", "::notice "))] == []


def test_the_image_holds_python_and_git_and_nothing_to_build_with(runner: Runner) -> None:
    script = "for tool in pip pip3 gcc cc g++ make ld git python3 dreamcatcher; do command -v $tool; done; exit 0"
    found = runner.step(entrypoint="/bin/sh", arguments=["-c", script]).stdout.split()
    assert [Path(path).name for path in found] == ["git", "python3", "dreamcatcher"]
    modules = "import importlib.util as u; print([m for m in ('pip', 'setuptools', 'hatchling') if u.find_spec(m)])"
    for python in ("/usr/bin/python3", "/opt/dreamcatcher/bin/python"):
        assert runner.step(entrypoint=python, arguments=["-c", modules]).stdout.strip() == "[]"

    size = subprocess.run(
        [*ENGINE, "image", "inspect", "--format", "{{.Size}}", IMAGE], capture_output=True, text=True, check=True
    )
    print(f"image {IMAGE}: {int(size.stdout) / 1e6:.0f} MB")


def test_the_console_script_is_there_too(runner: Runner) -> None:
    done = runner.step(entrypoint="dreamcatcher", arguments=["--version"])
    assert (done.returncode, done.stdout.startswith("dreamcatcher")) == (0, True), done.stderr
