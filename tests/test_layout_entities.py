"""Layout `entities`: names that no key can abuse, folders of a thousand, and one read a frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merge_bot import canonical
from merge_bot.canonical import document
from merge_bot.errors import UnreadableState
from merge_bot.layouts import entities as entities_layout
from merge_bot.layouts.entities import entity_name
from merge_bot.state import MemoryFiles
from merge_bot.tree import Entry
from tests.layout_bench import HOSTILE, KEYED, Bench, CountingFiles, batch_of, rules_of, stops
from tests.world import schema


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("agent-aria_7", "agent-aria_7"),
        ("Aria", "%41ria"),
        ("../../x", "%2e%2e%2f%2e%2e%2fx"),
        ("a/b", "a%2fb"),
        ("%61", "%2561"),
        (".git", "%2egit"),
        ("con", "%63on"),
        ("lpt9", "%6cpt9"),
        ("cons", "cons"),
        ("ä", "%c3%a4"),
        ("a\0b", "a%00b"),
        ("~", "%7e"),
        ("", "~e3b0c44298fc1c149afbf4c8996fb924"),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 60 + "~" + canonical.digest(b"x" * 121)[:32]),
    ],
)
def test_names_of_entities(key: str, name: str) -> None:
    assert entity_name(key) == name


def test_no_two_keys_share_a_name_on_any_file_system() -> None:
    names = [entity_name(key).lower() for key in HOSTILE]
    assert len(set(names)) == len(HOSTILE)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-%~") and len(name) < 130 for name in names)


@given(st.text(max_size=200), st.text(max_size=200))
def test_names_are_one_to_one(one: str, other: str) -> None:
    assert (entity_name(one).lower() == entity_name(other).lower()) == (one == other)


OBJECTS_A_FILE = schema("last-writer-wins", layout="entities", **KEYED)


def test_beyond_a_folders_limit_new_entities_go_deeper_and_old_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entities_layout, "FOLDER_LIMIT", 3)
    bench = Bench(rules_of(OBJECTS_A_FILE))
    keys = [f"k{number:02d}" for number in range(14)]
    for at in range(0, 14, 2):
        store = bench.open()
        for key in keys[at : at + 2]:
            store.put(key, {"id": key})
        bench.flush(store)
    paths = set(bench.files.files)
    assert {f"state/things/{key}.json" for key in keys[:3]} <= paths
    assert bench.open().present([*keys, "k99"]) == set(keys)
    store = bench.open()
    for key in keys:
        store.put(key, {"id": key, "n": 1})
    bench.flush(store)
    assert set(bench.files.files) == paths, "an entity stays where it is"
    deeper = [path.removeprefix("state/things/") for path in sorted(paths) if path.count("/") > 2]
    assert len(deeper) == 11
    assert all(path.startswith("~" + canonical.digest(path[-8:-5].encode())[:2] + "/") for path in deeper)


def test_a_thousand_entities_share_a_folder_and_the_next_one_goes_deeper() -> None:
    bench = Bench(rules_of(OBJECTS_A_FILE))
    store = bench.open()
    for number in range(1001):
        store.put(f"k{number:04d}", {"id": "x"})
    bench.flush(store)
    assert sum(path.count("/") == 2 for path in bench.files.files) == 1000
    assert f"state/things/~{canonical.digest(b'k1000')[:2]}/k1000.json" in bench.files.files


@pytest.mark.parametrize(
    ("name", "data", "strategy", "said"),
    [
        ("kai.json", b"[]\n", "last-writer-wins", "Expected an object here."),
        ("kai.json", b"{}\n", "union", "Expected an array here."),
        ("kai.jsonl", b'{"id":"kai"}\n[]\n', "observe", "Not a line of JSON: each line holds one object."),
        ("kai.jsonl", b'{"id":"kai"}\n{"id":', "observe", "Not a line of JSON: the last line is cut off."),
        ("kai.jsonl", b"1\n", "observe", "Not a line of JSON: each line holds one object."),
    ],
)
def test_an_entity_that_is_none_stops_the_merge(name: str, data: bytes, strategy: str, said: str) -> None:
    lines = stops({f"state/things/{name}": data}, schema(strategy, layout="entities", **KEYED), ["kai"]).splitlines()
    assert lines[1].startswith(f"  state/things/{name}")
    assert lines[2] == f"    {said}"


def test_new_observations_are_never_added_to_what_is_no_list_of_records() -> None:
    rules = rules_of(schema("observe", layout="entities", **KEYED))
    marked = b'{"id":"kai"}\n<<<<<<< ours\n{"id":"kai"}\n'
    store = Bench(rules, MemoryFiles({"state/things/kai.jsonl": marked})).open()
    store.append([batch_of(rules, {"id": "kai"})])
    with pytest.raises(UnreadableState, match=r"kai\.jsonl:2"):
        list(store.flush())


def test_an_entity_that_is_no_plain_file_stops_the_merge() -> None:
    class Linked(MemoryFiles):
        def folder(self, path: str) -> Mapping[str, Entry]:
            return {"kai.json": Entry("120000", "0" * 40)} if path == "state/things" else {}

    with pytest.raises(UnreadableState, match="Expected a plain file here"):
        Bench(rules_of(OBJECTS_A_FILE), Linked()).open().present(["kai"])


def test_a_frame_reads_each_entity_once_and_in_batches() -> None:
    files = CountingFiles({f"state/things/k{one}.json": document({"id": f"k{one}"}) for one in range(50)})
    store = Bench(rules_of(OBJECTS_A_FILE), files).open()
    keys = [f"k{one}" for one in range(10)]
    store.present(keys)
    store.records(keys)
    store.records(keys)
    for key in keys:
        store.put(key, {"id": key, "n": 1})
    assert len(list(store.flush())) == 10
    assert files.one == []
    assert files.batches == [sorted(f"state/things/{key}.json" for key in keys)]


class CountingFolders(MemoryFiles):
    """Counts the rounds in which folders are read."""

    rounds = 0

    def folders(self, paths: Iterable[str]) -> dict[str, Mapping[str, Entry]]:
        wanted = list(paths)
        self.rounds += bool(wanted)
        return super().folders(wanted)


def test_the_folders_of_many_entities_are_read_a_level_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entities_layout, "FOLDER_LIMIT", 4)
    rules = rules_of(OBJECTS_A_FILE)
    bench, keys = Bench(rules), [f"k{number}" for number in range(60)]
    store = bench.open()
    for key in keys:
        store.put(key, {"id": key})
    bench.flush(store)
    bench.files = files = CountingFolders(bench.files.files)
    assert len(bench.open().records(keys)) == 60
    depths = {path.count("/") for path in files.files}
    assert files.rounds == len(depths) > 1
