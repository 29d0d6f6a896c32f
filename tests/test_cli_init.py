"""`dreamcatcher init`: what it writes, what it keeps, and where it finds itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import listing, masked, run
from tests.repo import Repo

SCHEMAS = ("agents", "channels", "comments", "follows", "posts", "souls", "stats")
EVERYTHING = [
    ".github/dreamcatcher.yml",
    ".github/workflows/dreamcatcher.yml",
    *(f"schemas/{name}.schema.json" for name in SCHEMAS),
    "state/.gitattributes",
    "state/_meta.json",
    "state/frames/000/000000/manifest.json",
    "state/stream_deltas/.gitignore",
]
NOTES = json.dumps(
    {
        "type": "object",
        "properties": {"id": {"type": "string"}},
        "required": ["id"],
        "x-merge": {"strategy": "append", "delta": ["notes_added"], "key": ["id"], "layout": "file"},
    }
).encode()

TABLE = """\
  file                                   what it is
  .github/dreamcatcher.yml               settings: each one explained, none set
  .github/workflows/dreamcatcher.yml     workflow: merges when deltas are pushed
  schemas/agents.schema.json             collection agents, last-writer-wins
  schemas/channels.schema.json           collection channels, last-writer-wins
  schemas/comments.schema.json           collection comments, append
  schemas/follows.schema.json            collection follows, union
  schemas/posts.schema.json              collection posts, append
  schemas/souls.schema.json              collection souls, observe
  schemas/stats.schema.json              collection stats, sum
  state/.gitattributes                   keeps line ends, marks generated files
  state/_meta.json                       the clock: which frame is open
  state/frames/000/000404/manifest.json  the genesis: what the first frame builds on
  state/stream_deltas/.gitignore         keeps the inbox, where deltas wait
"""
NEXT = """\

Commit <commit> on main.

Next, write a delta:  dreamcatcher schema delta --example | dreamcatcher write --worker w1
and merge it:         dreamcatcher merge
"""


def test_an_empty_folder_becomes_a_repository_with_an_open_frame(tmp_path: Path) -> None:
    place = tmp_path / "new" / "world"
    done = run("init", place, "--frame", 405)
    assert (done.code, done.err) == (0, "")
    assert masked(done.out, place) == (
        f"Frame 405 is open in <repo>.\n\nWritten\n{TABLE}\n"
        "Also\n  <repo> was in no git repository; one was made there.\n" + NEXT
    )
    repo = Repo(place)
    assert list(repo.files()) == [path.replace("000000", "000404") for path in EVERYTHING]
    assert repo.status == []
    assert run("merge", "--repo", place).out == "Nothing to merge: frame 405 is open, no delta waits.\n"


def test_a_dry_run_says_the_same_and_writes_nothing_at_all(tmp_path: Path) -> None:
    place = tmp_path / "new"
    for _ in range(2):
        done = run("init", place, "--frame", 405, "--dry-run")
        assert (done.code, done.err) == (0, "")
        assert masked(done.out, place) == (
            f"Dry run, nothing was written. In <repo> this would open frame 405.\n\nWould be written\n{TABLE}\n"
            "Also\n  <repo> was in no git repository; one would be made there.\n\n"
            "To write it: the same command without --dry-run\n"
        )
        assert not place.exists() or list(place.iterdir()) == []
        place.mkdir(exist_ok=True)


def test_a_dry_run_in_a_repository_changes_no_byte_of_it(repo: Repo) -> None:
    repo.commit({"a": b"a"})
    repo.write("schemas/notes.schema.json", NOTES)
    before = listing(repo.path)
    assert run("init", repo.path, "--dry-run").code == 0
    assert listing(repo.path) == before


def test_what_is_there_is_kept_and_what_nobody_committed_is_taken_in(repo: Repo) -> None:
    mine = b"grace-seconds: 5\n"
    repo.commit({".github/dreamcatcher.yml": mine})
    repo.write("schemas/notes.schema.json", NOTES)
    done = run("init", repo.path)
    assert masked(done.out, repo.path) == (
        "Frame 1 is open in <repo>.\n\n"
        "Written\n"
        "  file                                   what it is\n"
        "  .github/workflows/dreamcatcher.yml     workflow: merges when deltas are pushed\n"
        "  state/.gitattributes                   keeps line ends, marks generated files\n"
        "  state/_meta.json                       the clock: which frame is open\n"
        "  state/frames/000/000000/manifest.json  the genesis: what the first frame builds on\n"
        "  state/stream_deltas/.gitignore         keeps the inbox, where deltas wait\n\n"
        "Yours, taken in as they are\n"
        "  file                       what it is\n"
        "  schemas/notes.schema.json  collection notes, append\n\n"
        "Yours, kept as they are\n"
        "  file                      what it is\n"
        "  .github/dreamcatcher.yml  settings\n" + NEXT
    )
    assert repo.git("show", "HEAD:schemas/notes.schema.json").encode() == NOTES
    assert repo.git("show", "HEAD:.github/dreamcatcher.yml").encode() + b"\n" == mine
    assert repo.status == []


def test_the_data_names_the_same_things(repo: Repo) -> None:
    repo.commit({".github/dreamcatcher.yml": b"grace-seconds: 5\n"})
    repo.write("schemas/notes.schema.json", NOTES)
    value = run("init", repo.path, "--json").json
    assert value == {
        "repository": str(repo.path),
        "created": False,
        "branch": "main",
        "dry_run": False,
        "open_frame": 1,
        "commit": repo.head,
        "written": [path for path in EVERYTHING if "schemas/" not in path and "dreamcatcher.yml" not in path[:25]],
        "taken_in": ["schemas/notes.schema.json"],
        "kept": [".github/dreamcatcher.yml"],
    }


def test_staged_and_unstaged_work_elsewhere_survives(repo: Repo) -> None:
    repo.commit({"a": b"a", "b": b"b"})
    repo.write("a", b"staged")
    repo.git("add", "a")
    repo.write("b", b"edited")
    repo.write("c", b"untracked")
    repo.write("d", b"new")
    repo.git("add", "d")
    before = repo.status
    assert run("init", repo.path).code == 0
    assert repo.status == before == ["M  a", " M b", "A  d", "?? c"]


def test_a_branch_without_a_commit_keeps_what_is_staged(repo: Repo) -> None:
    repo.write("a", b"a")
    repo.git("add", "a")
    assert run("init", repo.path).code == 0
    assert repo.status == ["A  a"]
    assert list(repo.files()) == EVERYTHING


def test_a_subfolder_stands_for_its_repository_and_that_is_said(repo: Repo) -> None:
    repo.commit({"inner/a": b"a"})
    done = run("init", repo.path / "inner")
    assert masked(done.out, repo.path).startswith("Frame 1 is open in <repo>.\n")
    also = "Also\n  <repo>/inner is a folder of the repository <repo>, which this is about.\n"
    assert also in masked(done.out, repo.path)
    assert (repo.path / "state" / "_meta.json").exists()


def test_a_bare_repository_gets_its_frame_too(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "bare", "--bare")
    done = run("init", repo.path)
    assert (done.code, list(repo.files())) == (0, EVERYTHING)
    assert "<repo> is a bare repository: commit deltas in a clone of it, and push them." in masked(done.out, repo.path)


@pytest.mark.parametrize("there", [True, False])
def test_a_branch_can_be_named(tmp_path: Path, there: bool) -> None:
    repo = Repo(tmp_path / "repo")
    if there:
        Repo.init(repo.path)
        repo.commit({"a": b"a"})
        repo.git("branch", "other")
    assert run("init", repo.path, "--branch", "other").code == 0
    assert "state/_meta.json" in repo.files("other")
    assert repo.git("symbolic-ref", "HEAD") == ("refs/heads/main" if there else "refs/heads/other")
    assert repo.status == []


def test_twice_is_once(repo: Repo) -> None:
    run("init", repo.path)
    before = listing(repo.path)
    for more in ([], ["--dry-run"]):
        done = run("init", repo.path, "--frame", 7, *more)
        assert (done.code, done.out, done.err) == (
            1,
            "",
            "There is a state/_meta.json in this branch already, so there is nothing to begin. "
            "`dreamcatcher status` shows it.\n",
        )
    assert listing(repo.path) == before


@pytest.mark.parametrize("known", [True, False])
def test_state_that_nobody_committed_is_not_overlooked(tmp_path: Path, known: bool) -> None:
    repo = Repo.init(tmp_path / "repo") if known else Repo(tmp_path / "repo")
    repo.write("state/agents/aria.json", b"{}")
    repo.write("state/stream_deltas/frame-1-w1.json", b"{}")
    before = listing(repo.path)
    done = run("init", repo.path)
    assert (done.code, done.out, done.err) == (
        1,
        "",
        "There is state that is not committed, so nothing was written:\n"
        "  state/agents/aria.json\n"
        "The first frame builds on what is committed. Commit these files (git init where there is no repository yet,\n"
        "git add, git commit), and run init again.\n",
    )
    assert listing(repo.path) == before


def test_adopted_files_outside_the_state_folder_are_held_to_the_same(repo: Repo) -> None:
    schema = json.loads(NOTES)
    schema["x-merge"]["path"] = "data/notes.json"
    repo.write("schemas/notes.schema.json", json.dumps(schema).encode())
    repo.commit({"data/notes.json": b"[]\n"})
    repo.write("data/notes.json", b'[{"id": "a"}]\n')
    assert "  data/notes.json\n" in run("init", repo.path).err
    repo.git("checkout", "--quiet", "data")
    assert run("init", repo.path).code == 0


def test_schemas_with_mistakes_stop_it_before_anything_is_made(tmp_path: Path) -> None:
    place = tmp_path / "world"
    (place / "schemas").mkdir(parents=True)
    (place / "schemas" / "notes.schema.json").write_bytes(b'{"type": "array"}')
    done = run("init", place)
    assert (done.code, "schemas/notes.schema.json:1" in done.err) == (1, True), done.err
    assert [path.name for path in place.iterdir()] == ["schemas"]


def test_a_file_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    done = run("init", tmp_path / "file")
    assert (done.code, "There is no folder" in done.err) == (1, True), done.err
