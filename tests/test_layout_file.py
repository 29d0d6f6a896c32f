"""Layout `file`: pointers, several collections in one file, and what else stands in it."""

from __future__ import annotations

from typing import Any

import pytest

from merge_bot.canonical import document
from merge_bot.layouts.base import WHOLE, Change, Opening, Store
from merge_bot.layouts.catalog import open_store
from merge_bot.paths import Paths
from merge_bot.state import MemoryFiles
from tests.layout_bench import FIELDS, KEYED, Bench, batch_of, rules_of, stops
from tests.world import INTEGER, collections_of, schema

OBJECTS = schema("last-writer-wins", layout="file", shape="object", **KEYED)
RECORDS = schema("append", layout="file", **KEYED)
AT_A_POINTER = schema("append", layout="file", pointer="/a~1b/log", **KEYED)
SUMS = schema("sum", {"a": INTEGER})
SETS = schema("union", FIELDS, layout="file")


def test_a_file_of_another_shape_stops_the_merge_with_its_place() -> None:
    assert stops({"state/things.json": []}, OBJECTS, ["kai"]) == (
        "The state cannot be read, so nothing was merged and nothing was written.\n"
        "  state/things.json\n"
        "    Expected an object here.\n"
        "The file was damaged by something other than the merge. Restore it from the last good commit\n"
        "(git log -- FILE, then git checkout COMMIT -- FILE), commit that, and merge again. The pending deltas wait."
    )


@pytest.mark.parametrize(
    ("value", "rules", "place", "wanted"),
    [
        ({}, RECORDS, "state/things.json", "an array"),
        (None, RECORDS, "state/things.json", "an array"),
        (7, OBJECTS, "state/things.json", "an object"),
        ([], SUMS, "state/things.json", "an object"),
        ({}, SETS, "state/things.json", "an array"),
        ([], AT_A_POINTER, "state/things.json", "an object"),
        ({"a/b": []}, AT_A_POINTER, "state/things.json at /a~1b", "an object"),
        ({"a/b": {"log": {}}}, AT_A_POINTER, "state/things.json at /a~1b/log", "an array"),
        ({"a/b": {"log": None}}, AT_A_POINTER, "state/things.json at /a~1b/log", "an array"),
        ({"k/i": 5}, OBJECTS, "state/things.json at /k~1i", "an object"),
    ],
)
def test_wrong_shapes(value: Any, rules: dict[str, Any], place: str, wanted: str) -> None:
    letter = stops({"state/things.json": value}, rules, ["k/i", WHOLE])
    assert letter.splitlines()[1:3] == [f"  {place}", f"    Expected {wanted} here."]


def test_conflict_markers_stop_the_merge_with_file_and_line() -> None:
    data = b'{\n  "kai": {\n<<<<<<< HEAD\n    "n": 1\n=======\n    "n": 2\n>>>>>>> theirs\n  }\n}\n'
    assert stops({"state/things.json": data}, OBJECTS, ["kai"]).splitlines()[1:3] == [
        "  state/things.json:3 at /kai",
        "    Git conflict markers were committed: 3 in all, the first is <<<<<<<.",
    ]


POSTS = schema("append", layout="file", path="state/log.json", pointer="/posts", **KEYED)


def shared(files: MemoryFiles, **rules: dict[str, Any]) -> dict[str, Store]:
    documents: dict[str, Any] = {}
    collections = collections_of(rules)
    return {name: open_store(Opening(one, files, Paths(), 5, documents)) for name, one in collections.items()}


def test_several_collections_keep_parts_of_one_file_and_the_rest_stays() -> None:
    before = {"_about": {"kept": [1, 2]}, "posts": [{"id": "1"}], "stats": {"a": 1}, "zz": None}
    files = MemoryFiles({"state/log.json": document(before)})
    stores = shared(
        files,
        posts=POSTS,
        stats=schema("sum", {"a": INTEGER}, path="state/log.json", pointer="/stats"),
        fresh=schema("union", FIELDS, layout="file", path="state/log.json", pointer="/new/fresh"),
    )
    stores["posts"].append([batch_of(rules_of(POSTS), {"id": "2"})])
    stores["stats"].put(WHOLE, {"a": 5})
    stores["fresh"].put(WHOLE, [{"id": "x"}])
    changes = [change for name in sorted(stores) for change in stores[name].flush()]
    after = before | {"new": {"fresh": [{"id": "x"}]}, "posts": [{"id": "1"}, {"id": "2"}], "stats": {"a": 5}}
    assert changes == [Change("state/log.json", document(after), before=2, after=4)]
    assert {name: store.growth() for name, store in stores.items()} == {"posts": 1, "stats": 0, "fresh": 1}


def test_a_part_that_is_only_asked_for_does_not_appear_in_the_file() -> None:
    files = MemoryFiles({"state/log.json": document({"stats": {"a": 1}})})
    stores = shared(
        files,
        posts=POSTS,
        stats=schema("sum", {"a": INTEGER}, path="state/log.json", pointer="/stats"),
    )
    assert stores["posts"].present(['[0,"1"]']) == set()
    stores["stats"].put(WHOLE, {"a": 2})
    assert [change.data for change in stores["stats"].flush()] == [document({"stats": {"a": 2}})]


def test_records_without_their_key_and_things_that_are_no_records_are_left_alone() -> None:
    before = [{"n": 1}, "odd", {"id": "kai", "n": 2}, None, {"id": None}, {"id": "kai", "n": 3}]
    bench = Bench(
        rules_of(schema("last-writer-wins", layout="file", **KEYED)),
        MemoryFiles({"state/things.json": document(before)}),
    )
    store = bench.open()
    assert store.records(["kai", ""]) == {"kai": {"id": "kai", "n": 2}}
    store.put("kai", {"id": "kai", "n": 9})
    store.put("aria", {"id": "aria"})
    (change,) = store.flush()
    before[2] = {"id": "kai", "n": 9}
    assert change == Change("state/things.json", document([*before, {"id": "aria"}]), 6, 7)


def test_an_object_repeats_its_keys_where_it_did_and_a_new_record_does_as_the_first() -> None:
    before = {"aria": {"id": "aria", "n": 1}, "kai": {"n": 1}, "odd": 7}
    bench = Bench(rules_of(OBJECTS), MemoryFiles({"state/things.json": document(before)}))
    store = bench.open()
    assert store.records(["aria", "kai"]) == {"aria": {"id": "aria", "n": 1}, "kai": {"id": "kai", "n": 1}}
    for name in ("aria", "kai", "zoe"):
        store.put(name, {"id": name, "n": 2})
    (change,) = store.flush()
    after = {"aria": {"id": "aria", "n": 2}, "kai": {"n": 2}, "odd": 7, "zoe": {"id": "zoe", "n": 2}}
    assert change.data == document(after)


@pytest.mark.parametrize("first", [7, {"n": 1}])
def test_a_new_record_of_an_object_that_repeats_no_keys_does_not_either(first: Any) -> None:
    bench = Bench(rules_of(OBJECTS), MemoryFiles({"state/things.json": document({"aria": first})}))
    store = bench.open()
    store.put("zoe", {"id": "zoe", "n": 2})
    (change,) = store.flush()
    assert change.data == document({"aria": first, "zoe": {"n": 2}})


def test_a_file_of_another_style_keeps_it() -> None:
    before = b'{\n    "z": {\n        "n": 1,\n        "a": "\\u00e9"\n    },\n    "kai": {}\n}'
    bench = Bench(rules_of(OBJECTS), MemoryFiles({"state/things.json": before}))
    store = bench.open()
    store.put("z", {"id": "z", "n": 2, "a": "\u00e9"})
    store.put("aria", {"id": "aria", "n": 1})
    (change,) = store.flush()
    assert change.data == (
        b'{\n    "z": {\n        "n": 2,\n        "a": "\\u00e9"\n    },\n    "kai": {},\n'
        b'    "aria": {\n        "n": 1\n    }\n}'
    )


def test_a_new_record_has_its_fields_in_the_order_of_those_before_it() -> None:
    before = b'[{"n": 1, "id": "kai"}, {"z": 1, "id": "zoe", "a": 2}]'
    bench = Bench(
        rules_of(schema("last-writer-wins", layout="file", **KEYED)), MemoryFiles({"state/things.json": before})
    )
    store = bench.open()
    store.put("aria", {"a": 1, "b": 2, "0": 3, "id": "aria", "n": 4, "z": 5})
    (change,) = store.flush()
    assert change.data == before[:-1] + b', {"n": 4, "id": "aria", "z": 5, "a": 1, "0": 3, "b": 2}]'


def test_a_file_in_a_style_that_cannot_be_written_again_stays_until_it_says_something_else() -> None:
    before = b'{"kai": {"n": [1,  2]},\n "zoe": {"n": 1e0}}\n'
    bench = Bench(rules_of(OBJECTS), MemoryFiles({"state/things.json": before}))
    store = bench.open()
    store.put("kai", {"id": "kai", "n": [1, 2]})
    assert list(store.flush()) == []
    store.put("zoe", {"id": "zoe", "n": 2})
    (change,) = store.flush()
    assert change.data == b'{"kai": {"n": [1, 2]}, "zoe": {"n": 2}}\n'


def test_an_object_by_an_integer_key_gives_integers_back() -> None:
    rules = schema("last-writer-wins", {"n": INTEGER}, ["n"], key=["n"], layout="file", shape="object")
    bench = Bench(rules_of(rules), MemoryFiles({"state/things.json": document({"-7": {}})}))
    assert bench.open().records(["-7"]) == {"-7": {"n": -7}}


def test_the_empty_key_is_a_key_and_not_the_whole() -> None:
    bench = Bench(rules_of(OBJECTS), MemoryFiles({"state/things.json": document({"kai": {"n": 1}})}))
    store = bench.open()
    assert store.present(["", "kai"]) == {"kai"}
    store.put("", {"id": "", "n": 2})
    (change,) = store.flush()
    assert change.data == document({"": {"n": 2}, "kai": {"n": 1}})


@pytest.mark.parametrize(("rules", "value"), [(SUMS, {"a": 1}), (SETS, [{"id": "x"}])])
def test_a_collection_that_is_one_value(rules: dict[str, Any], value: Any) -> None:
    bench = Bench(rules_of(rules))
    store = bench.open()
    assert store.records([WHOLE]) == store.records([]) == {}
    store.put(WHOLE, value)
    (change,) = bench.flush(store)
    assert (change.data, change.before, change.after, store.growth()) == (document(value), 0, 1, 1)
    assert bench.open().records([WHOLE]) == {WHOLE: value}
    assert bench.open().records([]) == {}
