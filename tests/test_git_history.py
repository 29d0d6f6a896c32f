"""History: no version that was ever committed is missed, whatever the user configured."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from merge_bot.git import Identity, Repository
from tests.repo import BRANCH, Repo, versions

MakeRepo = Callable[..., Repo]


HOSTILE = [
    "in/two\nlines.json",
    'in/"quoted".json',
    "in/back\\slash",
    "in/ blank ",
    "in/:100644 100644 x y M",
    "in/\udcff\udcfe.json",
    "in/ünï.json",
    "in/*.json",
    "in/:(glob)x",
    "in/-n",
    "in/\ttab",
]


def test_versions_that_were_overwritten_or_removed_are_seen(repo: Repo) -> None:
    base = repo.commit({"in/old": b"0", "out/x": b"0"})
    repo.commit({"in/a": b"1"})
    repo.commit({"in/a": b"2"})
    repo.commit({"in/a": None, "out/y": b"1"})
    tip = repo.commit({"in/old": None})
    with repo.opened() as found:
        assert versions(found, base, tip) == {("in/a", b"1"), ("in/a", b"2")}
        gone = [change for change in found.log_changes(base, tip, "in") if change.new_mode == "000000"]
        assert [(change.path, set(change.new_id)) for change in gone] == [("in/old", {"0"}), ("in/a", {"0"})]
        assert [change.commit for change in gone] == [tip, repo.git("rev-parse", f"{tip}~1")]
        assert gone[0].committed == int(repo.git("log", "-1", "--format=%ct", tip))
        assert versions(found, None, tip) == {("in/a", b"1"), ("in/a", b"2"), ("in/old", b"0")}
        assert found.log_changes(base, tip, "nowhere") == []
        assert found.log_changes(tip, tip, "in") == []


def test_versions_on_a_side_branch_that_the_merge_dropped_are_seen(repo: Repo) -> None:
    base = repo.commit({"in/a": b"0"})
    repo.git("checkout", "--quiet", "-b", "side")
    repo.commit({"in/a": b"side 1"})
    repo.commit({"in/a": b"0"})
    repo.git("checkout", "--quiet", "main")
    repo.commit({"elsewhere": b"1"})
    repo.git("merge", "--quiet", "--no-ff", "-m", "merge", "side")
    with repo.opened() as found:
        assert versions(found, base, repo.head) == {("in/a", b"side 1"), ("in/a", b"0")}


def test_what_only_a_merge_commit_holds_is_seen(repo: Repo) -> None:
    base = repo.commit({"in/a": b"0"})
    repo.git("checkout", "--quiet", "-b", "side")
    repo.commit({"in/side": b"1"})
    repo.git("checkout", "--quiet", "main")
    repo.commit({"in/main": b"1"})
    repo.git("merge", "--quiet", "--no-commit", "side")
    repo.write("in/evil", b"2")
    repo.git("add", ".")
    repo.commit()
    repo.commit({"in/evil": None})
    with repo.opened() as found:
        assert versions(found, base, repo.head) == {("in/side", b"1"), ("in/main", b"1"), ("in/evil", b"2")}


def test_octopus_merges_and_other_roots(repo: Repo) -> None:
    base = repo.commit({"in/a": b"0"})
    for name in ("one", "two"):
        repo.git("checkout", "--quiet", "-b", name, base)
        repo.commit({f"in/{name}": b"first"})
        repo.commit({f"in/{name}": b"second"})
    repo.git("checkout", "--quiet", "--orphan", "root")
    repo.git("rm", "-rfq", ".")
    repo.commit({"in/root": b"of its own"})
    repo.git("checkout", "--quiet", "main")
    repo.commit({"in/a": b"1"})
    repo.git("merge", "--quiet", "--allow-unrelated-histories", "-m", "x", "one", "two")
    repo.git("merge", "--quiet", "--allow-unrelated-histories", "-m", "y", "root")
    with repo.opened() as found:
        assert versions(found, base, repo.head) == {
            ("in/a", b"1"), ("in/one", b"first"), ("in/one", b"second"), ("in/two", b"first"), ("in/two", b"second"),
            ("in/root", b"of its own"),
        }  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_no_version_is_missed_in_random_histories(make_repo: MakeRepo, seed: int) -> None:
    """Against the plain meaning: every file of every commit that the tip has and the base has not."""
    chance = random.Random(seed)
    repo = make_repo()
    stream, trees, parents = [], [dict[str, int]()], [list[int]()]
    for number in range(1, 40):
        above = sorted({chance.randrange(max(0, number - 6), number) for _ in range(chance.choice((1, 1, 2, 2, 3)))})
        above = [one for one in above if one]
        tree = dict(trees[chance.choice(above)]) if above else {}
        for _ in range(chance.choice((0, 1, 1, 2))):
            tree[f"in/{chance.randrange(4)}"] = chance.randrange(1000)
        if chance.random() < 0.3:
            tree.pop(f"in/{chance.randrange(4)}", None)
        trees.append(tree)
        parents.append(above)
        lines = [
            f"commit refs/heads/b{number}\nmark :{number}\ncommitter N <e> {chance.randrange(10**9)} +0000\ndata 0"
        ]
        lines += [f"{'merge' if at else 'from'} :{one}" for at, one in enumerate(above)]
        lines += ["deleteall"]
        lines += [f"M 100644 inline {path}\ndata {len(str(value))}\n{value}" for path, value in tree.items()]
        stream.append("\n".join(lines) + "\n")
    repo.git("fast-import", "--quiet", "--force", stdin="".join(stream).encode())

    def reached(number: int) -> set[int]:
        return {number}.union(*(reached(one) for one in parents[number]))

    for _ in range(6):
        base, tip = chance.randrange(1, 39), 39
        old = {version for one in reached(base) for version in trees[one].items()}
        new = {version for one in reached(tip) - reached(base) for version in trees[one].items()}
        with repo.opened() as found:
            ids = {name: found.resolve(f"b{name}") for name in (base, tip)}
            seen = {(path, int(data)) for path, data in versions(found, ids[base], ids[tip] or "")}
        assert new - old - seen == set()


@pytest.mark.parametrize(
    "setting",
    [
        "log.follow=true", "log.showRoot=false", "log.showSignature=true", "log.diffMerges=off", "diff.renames=copies",
        "diff.relative=true", "core.abbrev=4", "color.ui=always", "diff.noprefix=true", "log.decorate=full",
        "format.pretty=fuller", "diff.ignoreSubmodules=all", "core.quotePath=true", "log.date=relative",
    ],
)  # fmt: skip
def test_settings_of_the_user_change_nothing(repo: Repo, setting: str) -> None:
    repo.commit({"in/a": b"content that is long enough to be a rename"})
    repo.git("checkout", "--quiet", "-b", "side")
    repo.commit({"in/ü": b"1"})
    repo.git("checkout", "--quiet", "main")
    repo.git("mv", "in/a", "in/b")
    repo.commit()
    repo.git("merge", "--quiet", "--no-commit", "side")
    repo.write("in/evil", b"2")
    repo.git("add", ".")
    repo.commit()
    repo.commit({"in/evil": None})
    unsigned = repo.git("cat-file", "commit", "HEAD")
    signed = unsigned.replace("\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n -----END PGP SIGNATURE-----\n\n", 1)
    tip = repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=signed.encode())
    repo.git("notes", "add", "-m", "a note", tip)

    def everything() -> object:
        with Repository.open(repo.path / "in") as found:
            return (
                found.log_changes(None, tip, "in"),
                found.log_changes(None, tip, "in/b"),
                found.last_change(tip, "in/b"),
                found.changed_paths(f"{tip}~2", tip, "in"),
            )

    plain = everything()
    repo.git("config", *setting.split("="))
    assert everything() == plain
    assert len(plain[0]) == 10  # type: ignore[index]


def test_hostile_names_survive_every_way(repo: Repo) -> None:
    base = repo.commit({"other": b"0"})
    with repo.opened() as found:
        changes: dict[str, bytes] = {path: path.encode("utf-8", "surrogateescape") for path in HOSTILE}
        tip = found.write_commit(base, changes, "x\n", Identity("N", "e"), 0)
        assert versions(found, base, tip) == set(changes.items())
        assert {path: status for status, path in found.changed_paths(base, tip, "in")} == dict.fromkeys(changes, "A")
        for path in changes:
            assert [change.path for change in found.log_changes(base, tip, path)] == [path]
            assert found.last_change(tip, path) == (tip, "N <e>", "1970-01-01T00:00:00Z")
            entry = found.entry_at(tip, path)
            assert entry is not None and found.read_blob(entry.id) == changes[path]
        assert found.compare_and_swap(BRANCH, tip, base)
        found.fast_forward(base, tip, {})
        assert repo.status == []
        local = found.untracked_and_changed(base, "in")
        assert {path: one.read() for path, one in local.changed.items()} == changes
        removed = found.write_commit(tip, dict.fromkeys(changes), "x\n", Identity("N", "e"), 0)
        assert found.compare_and_swap(BRANCH, removed, tip)
        found.fast_forward(tip, removed, {path: one.id for path, one in local.changed.items()})
    assert (repo.status, repo.files()) == ([], {"other": repo.files()["other"]})
    assert not (repo.path / "in").exists() or list((repo.path / "in").iterdir()) == []


def test_last_change_names_who_and_when(repo: Repo) -> None:
    first = repo.commit({"a": b"1"})
    second = repo.commit({"b": b"1"})
    with repo.opened() as found:
        assert found.last_change(second, "a") == (first, "Tester <tester@example.com>", "2026-03-25T03:01:00Z")
        assert found.last_change(second, "c") is None


def test_changed_paths_of_commits_and_trees(repo: Repo) -> None:
    first = repo.commit({"s/a": b"1", "s/b": b"1", "t": b"1", "s/c": b"same"})
    second = repo.commit({"s/a": b"2", "s/b": None, "t": b"2", "s/d": b"same"})
    with repo.opened() as found:
        assert found.changed_paths(first, second, "s") == [("M", "s/a"), ("D", "s/b"), ("A", "s/d")]
        assert found.changed_paths(found.commit_tree(first), found.commit_tree(second), "")[-1] == ("M", "t")
