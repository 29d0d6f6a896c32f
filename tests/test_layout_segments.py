"""Layout `segments`: a segment a frame, key files as a filter, and cost that grows with the frame alone."""

from __future__ import annotations

from array import array

import pytest

from merge_bot import canonical, collection
from merge_bot.collection import Mark
from merge_bot.errors import UnreadableState
from merge_bot.layouts import segments as segments_layout
from merge_bot.layouts.base import Change
from merge_bot.state import MemoryFiles
from tests.layout_bench import FIELDS, KEYED, Bench, CountingFiles, batch_of, rules_of
from tests.world import schema

SEGMENTS = schema("append", layout="segments", **KEYED)


def appended(bench: Bench, *names: str) -> list[Change]:
    store = bench.open()
    store.append([batch_of(bench.rules, *({"id": name} for name in names))])
    return bench.flush(store)


def keys(*names: str) -> list[str]:
    return [canonical.compact([0, name]).decode() for name in names]


def marks(*names: str) -> set[Mark]:
    return {canonical.key_hash(key) for key in keys(*names)}


def test_a_frame_writes_its_own_segment_and_key_file() -> None:
    bench = Bench(rules_of(SEGMENTS), frame=1405)
    changes = appended(bench, "b", "a")
    hashes = b"".join(map(canonical.key_bytes, keys("b", "a")))
    assert changes == [
        Change("state/things/001/001405.jsonl", b'{"id":"b"}\n{"id":"a"}\n', 0, 2),
        Change("state/_control/keys/things/001/001405.keys", hashes, 0, 2),
    ]


def test_observations_need_no_key_files() -> None:
    bench = Bench(rules_of(schema("observe", FIELDS, layout="segments")))
    store = bench.open()
    store.append([batch_of(bench.rules, {"id": "x"}, {"id": "x"})])
    assert [change.path for change in store.flush()] == ["state/things/000/000005.jsonl"]


def test_only_segments_that_are_hit_are_read() -> None:
    bench = Bench(rules_of(SEGMENTS))
    for frame in range(20):
        appended(bench, f"a{frame}", f"b{frame}")
    counting = CountingFiles(bench.files.files)
    store = Bench(rules_of(SEGMENTS), counting).open()
    assert store.present(marks("a3", "nobody")) == marks("a3")
    assert store.records(keys("a3", "b3", "a17", "nobody")).keys() == set(keys("a3", "b3", "a17"))
    key_files, segments = counting.batches
    assert counting.one == []
    assert key_files == [
        *(f"state/_control/keys/things/000/0000{frame}.keys" for frame in (21, 22, 23, 24)),
        "state/_control/keys/things/000005-000020.keys",
    ]
    assert segments == ["state/things/000/000008.jsonl", "state/things/000/000022.jsonl"]


def test_a_forged_hash_makes_no_record_disappear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "key_hashes", lambda keys: array("Q", b"\1" * 8 * len(list(keys))))
    monkeypatch.setattr(segments_layout, "key_hash", lambda key: int.from_bytes(b"\1" * 8, "big"))
    bench = Bench(rules_of(SEGMENTS))
    appended(bench, "a", "b")
    appended(bench, "c")
    store = bench.open()
    assert store.records(keys("b", "c", "d")) == {keys("b")[0]: {"id": "b"}, keys("c")[0]: {"id": "c"}}


def test_a_missing_key_file_is_made_up_from_the_records() -> None:
    bench = Bench(rules_of(SEGMENTS))
    appended(bench, "a", "b")
    appended(bench, "c")
    del bench.files.files["state/_control/keys/things/000/000005.keys"]
    assert bench.open().records(keys("b", "c", "d")).keys() == set(keys("b", "c"))


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (7, ["  state/_control/keys/things/000/000005.keys", "    Expected whole key hashes here."]),
        (8, ["  state/things/000/000005.jsonl", "    The segment has 2 records, its key file 1 key."]),
    ],
)
def test_a_key_file_that_is_cut_off_stops_the_merge(length: int, said: list[str]) -> None:
    bench = Bench(rules_of(SEGMENTS))
    appended(bench, "a", "b")
    path = "state/_control/keys/things/000/000005.keys"
    bench.files.files[path] = bench.files.files[path][:length]
    with pytest.raises(UnreadableState) as error:
        bench.open().records(keys("a"))
    assert str(error.value).splitlines()[1:3] == said


def test_a_segment_of_the_open_frame_is_extended_and_not_overwritten() -> None:
    bench = Bench(rules_of(SEGMENTS))
    appended(bench, "a")
    bench.frame = 5
    changes = appended(bench, "b", "c")
    assert [(one.data, one.before, one.after) for one in changes] == [
        (b'{"id":"a"}\n{"id":"b"}\n{"id":"c"}\n', 1, 3),
        (b"".join(map(canonical.key_bytes, keys("a", "b", "c"))), 1, 3),
    ]
    assert bench.open().records(keys("a", "c")).keys() == set(keys("a", "c"))


def test_other_files_in_a_segments_folder_are_none_of_its_segments() -> None:
    bench = Bench(rules_of(SEGMENTS), MemoryFiles({"state/things/000/README.md": b"#", "state/things/x.jsonl": b"#"}))
    assert bench.open().present(marks("a")) == set()


def test_nothing_is_put_into_a_segment() -> None:
    with pytest.raises(TypeError, match="append-only"):
        Bench(rules_of(SEGMENTS)).open().put("k", {})


def test_what_is_asked_for_soon_is_looked_up_with_what_is_asked_now() -> None:
    bench = Bench(rules_of(SEGMENTS))
    appended(bench, "a", "b")
    store = bench.open()
    store.expect(marks("b", "c"))
    assert store.present(marks("a")) == marks("a")
    store._known._known.clear()  # all hashes were gone through once, and need not be again
    assert store.present(marks("a", "b", "c")) == marks("a", "b")
