"""Verify: one changed byte in any kind of file is found and named, with the frame and the commit that did it."""

from __future__ import annotations

import fnmatch
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import pytest

from merge_bot.git import Repository
from merge_bot.history import History
from merge_bot.verify import Verified, verify
from tests.command import begun, run
from tests.random_frames import grown
from tests.repo import AUTHOR, Repo

TAMPERED = "refs/heads/tampered"
FRAMES = 14
SEED = 5

# One of each kind of file that a repository has. The newest and an older one where both can be damaged.
KINDS = {
    "clock": "state/_meta.json",
    "manifest": "state/frames/*/manifest.json",
    "receipts": "state/frames/*/receipts.jsonl",
    "archived delta": "state/frames/*/deltas/*",
    "quarantined delta": "state/frames/*/quarantine/*",
    "ledger": "state/_control/ledger/*",
    "workers": "state/_control/workers.json",
    "keys": "state/_control/keys/*",
    "clocks of fields": "state/_control/clocks/*",
    "conflicts": "state/conflicts.json",
    "parked": "state/parked.jsonl",
    "entity": "state/agents/*",
    "segment": "state/posts/*",
    "observations": "state/souls/*",
    "file": "state/log.json",
    "shared file": "state/shared.json",
    "git's attributes": "state/.gitattributes",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown(tmp_path_factory.mktemp("verify") / "repo", FRAMES, SEED).path


@pytest.fixture(scope="module")
def repository(place: Path) -> Iterator[Repository]:
    with Repository.open(place) as repository:
        yield repository


def verified(repository: Repository, since: int | None = None) -> Verified:
    return verify(History(repository, "tampered"), since)


def tamper(repository: Repository, changes: Mapping[str, bytes | None], onto: str = "main") -> str:
    """Commit changes by hand on a branch of its own; the commit."""
    commit = repository.write_commit(repository.resolve(onto), changes, "by hand", AUTHOR, 1774500000)
    assert repository.compare_and_swap(TAMPERED, commit, repository.resolve(TAMPERED))
    return commit


def files_like(place: Path, pattern: str) -> list[str]:
    return fnmatch.filter(Repo(place).files("main"), pattern)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_an_untouched_repository_is_in_order(repository: Repository) -> None:
    tamper(repository, {"README.md": b"not ours"})
    found = verified(repository)
    assert (found.findings, found.notes, found.first, found.newest, found.frames) == ([], [], 0, FRAMES, FRAMES + 1)
    assert verified(repository, since=9).frames == FRAMES - 8


def chosen(place: Path, pattern: str) -> list[str]:
    """The newest and the oldest file of a kind that has any bytes."""
    repo = Repo(place)
    paths = [path for path in sorted(files_like(place, pattern)) if repo.git("cat-file", "-s", f"main:{path}") != "0"]
    assert paths, pattern
    return sorted({paths[0], paths[-1]})


@pytest.mark.parametrize("kind", KINDS)
def test_one_changed_byte_is_found_and_named(place: Path, repository: Repository, kind: str) -> None:
    for path in chosen(place, KINDS[kind]):
        data = repository.read_blob(repository.entry_at("main", path).id)  # type: ignore[union-attr]
        for at in sorted({0, len(data) // 2, len(data) - 1, Random(path).randrange(len(data))}):
            commit = tamper(repository, {path: flipped(data, at)})
            named = [(one.path, one.commit, one.author) for one in verified(repository).findings]
            assert (path, commit, "Merge Bot <bot@example.com>") in named, (path, at, named)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_single_changed_byte_is_found_and_named(place: Path, repository: Repository, kind: str) -> None:
    """Each byte of the smallest file of the kind, changed to some other one, in a commit of its own."""
    path = min(chosen(place, KINDS[kind]), key=lambda path: int(Repo(place).git("cat-file", "-s", f"main:{path}")))
    data = repository.read_blob(repository.entry_at("main", path).id)  # type: ignore[union-attr]
    branches = damaged_at_each_byte(Repo(place), path, data)
    assert len(branches) == len(data) > 0
    overlooked = []
    for at, branch in enumerate(branches):
        history = History(repository, branch)
        if (path, history.tip) not in [(one.path, one.commit) for one in verify(history).findings]:
            overlooked.append(at)
    assert overlooked == []


def damaged_at_each_byte(repo: Repo, path: str, data: bytes) -> list[str]:
    """A branch for each byte of a file, on top of main, in which that byte is another. Git makes them all at once."""
    chance, stream = Random(path), []
    branches = [f"byte/{at}" for at in range(len(data))]
    for at, branch in enumerate(branches):
        bad = data[:at] + bytes([data[at] ^ chance.randint(1, 255)]) + data[at + 1 :]
        quoted = path.replace('"', '\\"')
        stream.append(
            f"commit refs/heads/{branch}\ncommitter Mallory <mallory@example.com> 1774500000 +0000\n"
            f'data 7\nby hand\nfrom refs/heads/main^0\nM 100644 inline "{quoted}"\ndata {len(bad)}\n'.encode()
            + bad
            + b"\n"
        )
    repo.git("fast-import", "--quiet", "--force", stdin=b"".join(stream))
    repo.git("pack-refs", "--all")
    return branches


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_off_or_gone_is_found_and_named(place: Path, repository: Repository, kind: str) -> None:
    for path in chosen(place, KINDS[kind]):
        data = repository.read_blob(repository.entry_at("main", path).id)  # type: ignore[union-attr]
        for new in (data[:-1], b"", None, data + b" "):
            commit = tamper(repository, {path: new})
            named = [(one.path, one.commit) for one in verified(repository).findings]
            assert (path, commit) in named, (path, new, named)


def test_the_first_frame_file_and_commit_that_is_wrong_come_first(place: Path, repository: Repository) -> None:
    older, newer = "state/frames/000/000004/manifest.json", "state/frames/000/000009/receipts.jsonl"
    commit = tamper(repository, {newer: b"x", older: b"x"})
    said = run("verify", "--repo", place, "--branch", "tampered", "--json")
    assert (said.code, said.json["ok"]) == (1, False)
    assert [(one["frame"], one["path"], one["commit"]) for one in said.json["findings"]] == [
        (4, older, commit),
        (9, newer, commit),
    ]
    assert verified(repository, since=5).findings[0].frame == 9


def test_a_frame_that_is_missing_or_invented(place: Path, repository: Repository) -> None:
    paths = Repo(place).files("main")
    folder = "state/frames/000/000006"
    commit = tamper(repository, {path: None for path in paths if path.startswith(folder)})
    (first, *_) = verified(repository).findings
    assert (first.frame, first.path, first.commit) == (6, f"{folder}/manifest.json", commit)
    copies = {
        path.replace("000006", "000099"): Repo(place).git("show", f"main:{path}").encode()
        for path in paths
        if path.startswith(folder) and path.endswith((".json", ".jsonl"))
    }
    tamper(repository, copies)
    assert [(one.frame, one.path) for one in verified(repository).findings] == [(99, "state/frames/000/000099")]
    tamper(repository, {f"{folder}/deltas/frame-6-w1.json": b"{}", f"{folder}/more": b""})
    assert [one.reason.value for one in verified(repository).findings] == ["misplaced_file"] * 2


def test_several_frames_lost_at_once(place: Path, repository: Repository) -> None:
    paths = Repo(place).files("main")
    for lost in ({13, 14}, {0, 1}, {3, 4, 5}):
        gone = tuple(f"state/frames/000/{one:06d}/" for one in lost)
        tamper(repository, {path: None for path in paths if path.startswith(gone)})
        missing = [one.frame for one in verified(repository).findings if one.path.endswith("manifest.json")]
        assert missing == sorted(lost)


def test_history_that_was_rewritten_is_found(place: Path, repository: Repository) -> None:
    """A frame's commit is made anew with another state file, and all that followed is put on top of it."""
    repo = Repo(place)
    with History(repository, "main") as history:
        landing = history.landing(5)
        written = history.manifest(5).files
    path = next(one for one in sorted(written) if one.startswith("state/") and "/_control/" not in one)
    data = repository.read_blob(repository.entry_at(landing.commit, path).id)  # type: ignore[union-attr]
    bad = repository.write_commit(landing.commit, {path: data + b" "}, "x", AUTHOR, 1774500000)
    new = repo.git("commit-tree", f"{bad}^{{tree}}", "-p", f"{landing.commit}^", "-m", "made anew")
    for old in reversed(repo.git("rev-list", "--first-parent", f"{landing.commit}..main").splitlines()):
        new = repo.git("commit-tree", f"{old}^{{tree}}", "-p", new, "-m", "put on top")
    repo.git("update-ref", TAMPERED, new)
    (first, *_) = verified(repository).findings
    assert (first.frame, first.path) == (5, path)


def test_what_is_not_ours_to_verify(tmp_path: Path, place: Path) -> None:
    repo = Repo.init(tmp_path / "empty")
    assert run("verify", "--repo", repo.path).code == 1
    repo.commit({"README.md": b"x"})
    assert run("verify", "--repo", repo.path).err.startswith("There are no frames on refs/heads/main")
    said = run("verify", "--repo", place, "--from", 99)
    assert (said.code, said.err) == (
        1, "There is no frame 99. The frames here go from 0 to 14 (`dreamcatcher log` lists them).\n",
    )  # fmt: skip


def test_a_shallow_clone_fetches_what_it_lacks_or_says_so(tmp_path: Path, place: Path) -> None:
    shallow = Repo(tmp_path / "shallow")
    Repo(place).git("clone", "--quiet", "--depth=2", "--branch=main", f"file://{place}", str(shallow.path))
    shutil.copytree(shallow.path, tmp_path / "alone")
    assert run("verify", "--repo", shallow.path).code == 0
    alone = Repo(tmp_path / "alone")
    alone.git("remote", "remove", "origin")
    said = run("verify", "--repo", alone.path)
    assert said.code == 1
    assert "origin" in said.err


def test_a_frame_of_newer_rules_is_named(place: Path, repository: Repository) -> None:
    path = f"state/frames/000/{FRAMES:06d}/manifest.json"
    manifest = json.loads(Repo(place).git("show", f"main:{path}"))
    tamper(repository, {path: json.dumps(manifest | {"rules": 99}).encode()})
    assert path in [one.path for one in verified(repository).findings]


def test_what_verify_says(tmp_path: Path) -> None:
    repo = begun(Repo(tmp_path))
    said = run("verify", "--repo", repo.path)
    assert (said.code, said.out) == (
        0, "Every byte is as it was merged: frames 404 to 404, 0 deltas, 0 records of the state.\n",
    )  # fmt: skip
    repo.git("config", "user.name", "Mallory")
    repo.git("config", "user.email", "mallory@example.com")
    commit = repo.commit({"state/stats.json": b"{}\n"})
    said = run("verify", "--repo", repo.path)
    assert (said.code, said.out.replace(commit[:12], "<commit>")) == (
        1,
        "1 file wrong, the first is state/stats.json of frame 404. "
        "Walked: frames 404 to 404, 0 deltas, 0 records of the state.\n\n"
        "  frame 404: state/stats.json\n"
        "    The file was changed by another hand since the newest frame; a merge would stop.\n"
        "    commit <commit> by Mallory <mallory@example.com> on 2026-03-25T03:01:00Z\n"
        "    Only the merge writes here. Put the file back from the commit before the one named here, and commit "
        "that.\n",
    )
