"""The README is tried as it stands: its commands run, its deltas merge, its tables are the code's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from merge_bot import schemas
from merge_bot.delta import Delta
from merge_bot.drift import TYPES_OF
from merge_bot.resources import workflow_template
from merge_bot.settings import Settings
from merge_bot.strategies.catalog import LAYOUTS_OF, STRATEGIES
from merge_bot.transports.base import DELTA_BRANCHES
from merge_bot.validate import Rules, given, validate

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
ROOT = Path(__file__).parent.parent


def block(name: str) -> str:
    """The fenced block that follows `<!-- test: name -->`."""
    match = re.search(rf"<!-- test: {name} -->\n```\w+\n(.*?)\n```", README, re.DOTALL)
    assert match, f"the README has no block named {name}"
    return match[1] + "\n"


def run(command: list[str], folder: Path, text: str = "") -> str:
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"PATH": programs, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(command, cwd=folder, input=text, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the README's first block makes, with its first frame merged."""
    folder = tmp_path_factory.mktemp("readme")
    out = run(["sh", "-eu"], folder, block("start"))
    assert [line.split(" ", 1)[1] for line in out.splitlines()[-3:]] == [
        "merge frame 1: 1 delta, 1 agents, 1 channels, 1 posts, 1 stats",
        "deltas: 1 file",
        "dreamcatcher init: frame 0, the genesis",
    ]
    return folder / "world"


def test_start(world: Path) -> None:
    for path in ("agents/agent-aria.json", "channels.json", "posts/000/000001.jsonl", "stats.json"):
        assert (world / "state" / path).is_file()
    assert run(["git", "status", "--porcelain"], world) == ""


def test_everything_else_in_order(world: Path, tmp_path: Path) -> None:
    """One story: the disagreement in frame 2, the library in frame 3, a new collection in frame 4."""
    inbox = world / "state" / "stream_deltas"
    (inbox / "frame-2-alice.json").write_text(block("disagree one"))
    (inbox / "frame-2-bob.json").write_text(block("disagree two"))
    run(["dreamcatcher", "merge"], world)
    assert (world / "state/agents/agent-aria.json").read_text() == block("disagree entity")
    conflicts = re.sub(r'"delta": "[0-9a-f]{64}"', '"delta": …', (world / "state/conflicts.json").read_text())
    assert conflicts == re.sub(r'"delta": "[0-9a-f]{4}…"', '"delta": …', block("disagree conflict"))
    receipts = [
        json.loads(line) for line in (world / "state/frames/000/000002/receipts.jsonl").read_text().splitlines()
    ]
    (alice,) = [one for one in receipts if one["stream_id"] == "alice"]
    assert [one["recover"] for one in alice["operations"]] == ["refetch_and_recompute"]
    told = run(["dreamcatcher", "receipts", "--worker", "alice", "--frame", "2"], world)
    assert re.sub(r"As of [^:]*:[^:]*:[^:]*:", "As of …:", told) == block("receipts")

    apart = Path(shutil.copytree(world, tmp_path / "apart" / "world"))
    for setting, value in (("user.name", "n"), ("user.email", "e@example.org")):
        run(["git", "config", setting, value], apart)
    run(["sh", "-eu"], apart, block("worktree"))
    assert json.loads((apart / "state/stats.json").read_text()) == {"total_posts": 3}
    assert (apart / "ann.py").is_file() and (apart / "kai.py").is_file()
    assert list((tmp_path / "apart" / "world.worktrees").iterdir()) == []
    decided = Path(shutil.copytree(world, tmp_path / "decided"))
    run(["sh", "-eu"], decided, block("resolve"))
    assert json.loads((decided / "state/agents/agent-aria.json").read_text())["bio"] == "A sage."
    assert (decided / "state/conflicts.json").read_text() == "{}\n"
    aside = Path(shutil.copytree(world, tmp_path / "aside"))
    for stream, second in (("alice", 1), ("bob", 2)):
        delta = json.loads(block("expect")) | {"stream_id": stream, "utc": f"2026-03-25T04:30:0{second}Z"}
        (aside / f"state/stream_deltas/frame-3-{stream}.json").write_text(json.dumps(delta))
    run(["dreamcatcher", "merge"], aside)
    told = run(["dreamcatcher", "receipts", "--worker", "bob", "--frame", "3"], aside)
    assert 'was computed from "A rebel.", but "A rebel, and a sage." of `alice` stands' in told
    run([sys.executable, "-c", block("update")], aside)
    run(["dreamcatcher", "merge"], aside)
    aria = json.loads((aside / "state/agents/agent-aria.json").read_text())
    assert aria["bio"] == "A rebel, and a sage. And a poet."

    assert re.fullmatch(r"2 \S+Z 0 A rebel\.\n", run([sys.executable, "-c", block("read")], world))

    run([sys.executable, "-c", block("worker")], world)
    run([sys.executable, "-c", block("write_delta")], world)
    run(["dreamcatcher", "merge"], world)
    assert json.loads((world / "state/agents/agent-aria.json").read_text())["bio"] == "A bridge."
    assert json.loads((world / "state/stats.json").read_text()) == {"total_posts": 2}

    (world / "schemas/recipes.schema.json").write_text(block("collection"))
    run(["dreamcatcher", "check"], world)
    run(["git", "add", "schemas"], world)
    run(["git", "-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-qm", "recipes"], world)
    delta = {"recipes_added": [{"slug": "bread", "author": "agent-kai", "steps": ["Wait."]}]}
    run(["dreamcatcher", "write", "--worker", "baker", "-"], world, json.dumps(delta))
    run(["dreamcatcher", "merge"], world)
    assert json.loads((world / "state/recipes/000/000004.jsonl").read_text()) == delta["recipes_added"][0]

    assert "4 frames merged once more: every byte the same." in run(["sh", "-eu"], world, block("time travel"))
    assert (world / "frame-2.tar").is_file()
    (world / "frame-2.tar").unlink()
    told = run(["dreamcatcher", "replay", "--until-field", "agents/agent-aria/bio"], world)
    assert re.sub(r"by (\w+) at .*", r"by \1 at …", re.sub(r"delta \w+", "delta …", told)) == block("until field")
    printed = run([sys.executable, "-c", block("history")], world).splitlines()
    assert printed[0] == json.dumps(json.loads(block("disagree entity"))).replace('"', "'")
    assert printed[-1] == "3 dave A bridge."
    from merge_bot.history import History

    listed = re.search(r"The same from Python \(`([^)]+)`\):", README)
    assert listed and [one for one in listed[1].split("`, `") if not callable(getattr(History, one))] == []

    before = run(["git", "rev-parse", "HEAD:state/agents"], world)
    told = run(["sh", "-eu"], world, block("rollback"))
    assert told.startswith("Dry run, nothing was written. Frame 5 would have the state of frame 2: 3 deltas undone.")
    assert run(["git", "rev-parse", "HEAD:state/agents"], world) == before
    run(["dreamcatcher", "verify"], world)


def test_the_counters_fit_the_schemas_of_init(world: Path, tmp_path: Path) -> None:
    counted = Path(shutil.copytree(world, tmp_path / "counted"))
    for name, properties in json.loads(block("counters")).items():
        path = counted / f"schemas/{name}.schema.json"
        schema = json.loads(path.read_text())
        schema["properties"] |= properties
        path.write_text(json.dumps(schema))
    run(["git", "-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-qam", "counters"], counted)
    delta = {
        "comments_added": [{"post_number": 6201, "author": "agent-aria", "body": "b"}],
        "stats_increments": {"total_posts": 7},
    }
    run(["dreamcatcher", "write", "--worker", "w1", "-"], counted, json.dumps(delta))
    run(["dreamcatcher", "merge"], counted)
    posts = sum(len(one.read_text().splitlines()) for one in counted.glob("state/posts/*/*.jsonl"))
    assert json.loads((counted / "state/stats.json").read_text()) == {"total_posts": posts}
    assert json.loads((counted / "state/agents/agent-aria.json").read_text())["comment_count"] == 1
    run(["dreamcatcher", "check"], counted)
    run(["dreamcatcher", "verify"], counted)


def test_many_authors_write_one_document(world: Path, tmp_path: Path) -> None:
    written = Path(shutil.copytree(world, tmp_path / "written"))
    (written / "schemas/design.schema.json").write_text(block("sections schema"))
    run(["git", "add", "schemas"], written)
    run(["git", "-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-qm", "design"], written)
    assert run(["sh", "-eu"], written, block("sections")).endswith(block("sections document"))
    assert run(["git", "status", "--porcelain"], written) == ""
    told = run(["dreamcatcher", "replay", "--until-field", "design/api/text"], written)
    assert "kai wrote it" in told
    run(["dreamcatcher", "check"], written)
    run(["dreamcatcher", "verify"], written)


def test_what_is_there_already_is_adopted_and_merged_into(tmp_path: Path) -> None:
    run(["git", "config", "--global", "user.name", "n"], tmp_path)
    run(["git", "config", "--global", "user.email", "e@example.org"], tmp_path)
    out = run(["sh", "-eu"], tmp_path, block("adopt"))
    assert "Dry run, nothing was written." in out
    assert {path.name for path in (tmp_path / "network/schemas").iterdir()} == {
        "notes.schema.json",
        "people.schema.json",
    }
    added = run(["git", "diff", "HEAD~2", "--", "state/log.json", "state/people.json"], tmp_path / "network")
    changed = [line for line in added.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")]
    note = ["    },", "    {", '      "number": 3,', '      "text": "Good night.",', '      "person": "ann"']
    assert changed == [f"+{line}" for line in note]
    notes = schemas.load({str(path): path.read_bytes() for path in (tmp_path / "network/schemas").iterdir()})[0][
        "notes"
    ]
    assert (notes.strategy, notes.references, notes.lenient) == ("append", {"person": "people"}, {"person"})


def test_the_example_of_drift_is_read_as_it_says() -> None:
    collections, problems = schemas.load({"schemas/sightings.schema.json": block("drift").encode()})
    assert problems == []
    said = {"frame": 1, "stream_id": "w1", "utc": "2026-03-25T03:14:22Z", **json.loads(block("drift delta"))}
    delta = validate(given("frame-1-w1.json", said), Rules(collections))
    assert isinstance(delta, Delta)
    assert [one.record for one in delta.operations["sightings"]] == [
        {"number": 12, "author": "agent-kai"},
        {"number": 13},
    ]
    assert len(delta.notes) == 4
    table = README.split("| `x-coerce` | for | reads |\n")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[1:]]
    assert {row[0].strip("`"): tuple(row[1].split(", ")) for row in rows} == TYPES_OF


def test_the_table_of_strategies_is_that_of_the_code() -> None:
    table = README.split("<!-- test: strategies -->\n")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    assert {row[0].strip("`"): tuple(row[3].split(", ")) for row in rows} == LAYOUTS_OF
    assert {row[0].strip("`") for row in rows} == set(STRATEGIES)


def test_the_example_collection_has_no_mistake() -> None:
    agents = (ROOT / "schemas" / "agents.schema.json").read_bytes()
    files = {"schemas/agents.schema.json": agents, "schemas/recipes.schema.json": block("collection").encode()}
    assert schemas.load(files)[1] == []


def test_the_workflow_is_the_one_that_init_writes() -> None:
    assert block("workflow").encode() == workflow_template()
    workflow = yaml.safe_load(block("workflow"))
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["merge"]["permissions"] == {"contents": "write"}
    assert workflow["concurrency"]["cancel-in-progress"] is False


def test_every_message_of_the_troubleshooting_table_is_said_somewhere() -> None:
    said = "".join(
        # neighbouring literals are one sentence
        re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8"))
        for path in (ROOT / "merge_bot").rglob("*.py")
    ).replace("let us {what} it", "let us write to it")
    table = README.split("<!-- test: troubleshooting -->\n")[1].split("\n\n")[0]
    messages = [row.split("`")[1] for row in table.splitlines()[2:]]
    assert len(messages) == 10
    assert [one for one in messages if one not in said] == []


RECIPES = {"sh": ["sh", "-eu"], "js": ["node"]}


@pytest.mark.parametrize("language", sorted(RECIPES))
def test_a_worker_without_python_delivers_and_its_deltas_are_merged(language: str, world: Path, tmp_path: Path) -> None:
    """For real, against a bare repository: two deltas on one branch, the second from a clone that saw nothing of it."""
    if shutil.which(RECIPES[language][0]) is None:
        pytest.skip(f"there is no {RECIPES[language][0]} here")
    script = tmp_path / f"submit.{language}"
    script.write_text(block(f"submit {language}"))
    remote = tmp_path / "remote.git"
    run(["git", "clone", "-q", "--bare", str(world), str(remote)], tmp_path)
    frame = json.loads(run(["git", "show", "HEAD:state/_meta.json"], remote))["frame"]
    for number, suffix in enumerate(("", ".again")):
        clone = tmp_path / f"clone{number}"
        run(["git", "clone", "-q", "--depth=1", remote.as_uri(), str(clone)], tmp_path)
        run(["git", "config", "user.name", "w"], clone)
        run(["git", "config", "user.email", "w@example.org"], clone)
        file = tmp_path / f"frame-{frame}-remote{suffix}.json"
        delta: dict[str, object] = {"frame": frame, "stream_id": "remote", "utc": "2026-03-25T03:14:22Z"}
        delta |= {"stats_increments": {"total_posts": 1}}
        file.write_text(json.dumps(delta | ({"_meta": {"run": "again"}} if suffix else {})))
        run([*RECIPES[language], str(script), "remote", str(file)], clone)
        assert run(["git", "status", "--porcelain"], clone) == ""
    assert len(run(["git", "rev-list", "deltas/remote"], remote).split()) == 2
    assert run(["git", "ls-tree", "--name-only", "deltas/remote"], remote) == f"frame-{frame}-remote.again.json\n"
    before = json.loads(run(["git", "show", "HEAD:state/stats.json"], remote))["total_posts"]
    run(["dreamcatcher", "merge", "--remote", remote.as_uri()], tmp_path)
    assert json.loads(run(["git", "show", "HEAD:state/stats.json"], remote))["total_posts"] == before + 2


def cloned(world: Path, folder: Path) -> Path:
    """A bare repository with the world in it."""
    remote = folder / "remote.git"
    run(["git", "clone", "-q", "--bare", str(world), str(remote)], folder)
    for setting, value in (("user.name", "n"), ("user.email", "e@example.org")):
        run(["git", "config", "--global", setting, value], folder)
    return remote


def total(remote: Path) -> int:
    return int(json.loads(run(["git", "show", "HEAD:state/stats.json"], remote))["total_posts"])


def test_a_matrix_of_workers_in_one_workflow(world: Path, tmp_path: Path) -> None:
    """Its commands are run as the jobs would, a clone a job; artifacts are files in between."""
    remote = cloned(world, tmp_path)
    before, jobs = total(remote), yaml.safe_load(block("matrix"))["jobs"]
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()

    def job(name: str, worker: str) -> None:
        place = tmp_path / f"{name}-{worker}"
        run(["git", "clone", "-q", remote.as_uri(), str(place)], tmp_path)
        (place / "work.py").write_text("import json; print(json.dumps({'stats_increments': {'total_posts': 1}}))")
        for step in jobs[name]["steps"]:
            action, given = step.get("uses", "").partition("@")[0], step.get("with", {})
            if action == "actions/upload-artifact":
                for file in place.glob(given["path"]):
                    shutil.copy(file, artifacts)
            elif action == "actions/download-artifact":
                shutil.copytree(artifacts, place / given["path"], dirs_exist_ok=True)
            elif not action and not step["run"].startswith("pip install"):
                run(["env", f"HOME={tmp_path}", f"WORKER={worker}", "sh", "-eu", "-c", step["run"]], place)

    for worker in jobs["work"]["strategy"]["matrix"]["worker"]:
        job("work", worker)
    assert len(list(artifacts.iterdir())) == 3
    job("merge", "first")
    assert total(remote) == before + 3
    job("merge", "again")
    assert total(remote) == before + 3


def test_cron_on_three_machines(world: Path, tmp_path: Path) -> None:
    remote = cloned(world, tmp_path)
    before = total(remote)
    for machine in ("m1", "m2", "m3", "m1"):
        place = tmp_path / machine / "world"
        if not place.exists():
            run(["git", "clone", "-q", remote.as_uri(), str(place)], tmp_path)
        (place / "tick.sh").write_text(block("cron"))
        run(["env", f"HOME={tmp_path}", f"MACHINE={machine}", "sh", "-eu", str(place / "tick.sh")], tmp_path)
    assert total(remote) == before + 4


def test_a_scraper_that_sees_the_same_again(world: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(world, tmp_path / "scraped"))

    def posts() -> int:
        return sum(len(one.read_text().splitlines()) for one in place.glob("state/posts/*/*.jsonl"))

    before = posts()
    for numbers in ((7001, 7002), (7001, 7002, 7003)):
        (place / "feed.json").write_text(json.dumps([{"id": number, "title": "t"} for number in numbers]))
        run([sys.executable, "-c", block("scraper")], place)
        run(["dreamcatcher", "merge"], place)
    assert posts() == before + 3


def test_the_ruleset_is_about_delta_branches_and_lets_workers_add_to_them() -> None:
    ruleset = json.loads(block("ruleset"))
    assert ruleset["conditions"]["ref_name"] == {"include": [f"{DELTA_BRANCHES}**"], "exclude": []}
    assert {one["type"] for one in ruleset["rules"]} == {"non_fast_forward", "deletion"}


def test_every_file_that_the_readme_names_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists() or target.startswith("https://"), target


def test_every_make_target_that_the_readme_names_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_a_lease_from_claim_to_release(world: Path, tmp_path: Path) -> None:
    aside = Path(shutil.copytree(world, tmp_path / "aside"))
    said = run(["sh", "-eu"], aside, block("lease"))
    assert [line.split()[:3] for line in said.splitlines() if line.startswith("  w1 ")] == [["w1", "released", "2"]]


def test_the_settings_of_who_may_write() -> None:
    assert Settings.load(block("enrolment").encode()).workers == {"w1": ("posts", "comments"), "w2": ("*",)}


def test_a_delta_from_quarantine_to_amended(world: Path, tmp_path: Path) -> None:
    aside = Path(shutil.copytree(world, tmp_path / "aside"))
    said = run(["sh", "-eu"], aside, block("quarantine"))
    assert "total_posts" in said
    assert said.splitlines()[-1].endswith("wait in quarantine.")
    assert said.splitlines()[-1].startswith("0 deltas of ")
