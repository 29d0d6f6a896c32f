"""Key files: many become one, each hash stands in one place, and what a frame reads and writes stays small."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merge_bot import canonical, collection
from merge_bot.audit_places import Places
from merge_bot.errors import UnreadableState
from merge_bot.layouts import key_files, segments
from merge_bot.layouts.base import Change
from merge_bot.layouts.key_files import KeyFiles, parse_run
from merge_bot.paths import Paths, numbered
from merge_bot.state import MemoryFiles
from tests.layout_bench import KEYED, Bench, CountingFiles, batch_of, rules_of
from tests.world import schema

SEGMENTS = schema("append", layout="segments", **KEYED)
FOLDER = "state/_control/keys/things"
RUN = f"{FOLDER}/000000-000015.keys"


def key(name: str) -> str:
    return canonical.compact([0, name]).decode()


def marks(names: Iterable[str]) -> set[Any]:
    return {canonical.key_hash(key(name)) for name in names}


def hashes(*names: str) -> bytes:
    return b"".join(canonical.key_bytes(key(name)) for name in names)


def merge(bench: Bench, *names: str) -> list[Change]:
    """A frame that appends records; what it changed."""
    store = bench.open()
    store.present(marks(names))
    store.append([batch_of(bench.rules, *({"id": name} for name in names))])
    return bench.flush(store)


def grown(frames: int, records: int = 1, files: MemoryFiles | None = None) -> Bench:
    """Frames 0 … of records `0.0`, `0.1`, …"""
    bench = Bench(rules_of(SEGMENTS), files or MemoryFiles(), frame=0)
    for frame in range(frames):
        merge(bench, *(f"{frame}.{one}" for one in range(records)))
    return bench


def of_keys(bench: Bench) -> dict[str, bytes]:
    return {path: data for path, data in bench.files.files.items() if path.startswith(FOLDER)}


def covered(bench: Bench) -> Counter[str]:
    """How often each segment is covered, each with the right hashes in line order."""
    found: Counter[str] = Counter()
    for one in KeyFiles(bench.rules, bench.files, Paths())._known.values():
        assert not one.changed
        for name, part in one.parts:
            records = bench.files.files[f"state/things/{name}.jsonl"].count(b"\n")
            lines = bench.files.files[f"state/things/{name}.jsonl"].splitlines()
            ids = [line.split(b'"')[3].decode() for line in lines]
            assert (len(part), part.tobytes()) == (records, hashes(*ids))
            found[name] += 1
    return found


# --- what becomes one, and when


def test_the_sixteenth_makes_a_run_and_what_it_is_made_of_goes() -> None:
    bench = grown(15, 2)
    assert sorted(of_keys(bench)) == [f"{FOLDER}/000/{frame:06d}.keys" for frame in range(15)]
    changes = merge(bench, "15.0")
    names = [f"{frame}.{one}" for frame in range(15) for one in (0, 1)]
    table = b"".join(b"%d 2\n" % frame for frame in range(15)) + b"15 1\n\n"
    assert changes == [
        Change("state/things/000/000015.jsonl", b'{"id":"15.0"}\n', 0, 1),
        Change(RUN, table + hashes(*names, "15.0"), 30, 31),
        *(Change(f"{FOLDER}/000/{frame:06d}.keys", None, 0, 0) for frame in range(15)),
    ]
    assert list(of_keys(bench)) == [RUN]


def test_the_sixteenth_run_makes_a_larger_one_at_once() -> None:
    bench = grown(255)
    assert len(of_keys(bench)) == 30
    changes = merge(bench, "255.0")
    assert list(of_keys(bench)) == [f"{FOLDER}/000000-000255.keys"]
    assert len(changes) == 2 + 30
    assert covered(bench) == Counter(map(numbered, range(256)))
    merge(bench, "256.0")
    assert sorted(of_keys(bench)) == [f"{FOLDER}/000/000256.keys", f"{FOLDER}/000000-000255.keys"]


def test_what_has_become_large_is_never_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_files, "LIGHT", 20)
    bench = Bench(rules_of(SEGMENTS), frame=0)
    merge(bench, *(f"large {one}" for one in range(21)))
    for frame in range(1, 40):
        merge(bench, f"{frame}.0", f"{frame}.1")
    assert sorted(of_keys(bench)) == [
        *(f"{FOLDER}/000/{frame:06d}.keys" for frame in (0, 33, 34, 35, 36, 37, 38, 39)),
        f"{FOLDER}/000001-000016.keys",
        f"{FOLDER}/000017-000032.keys",
    ]
    for frame in range(40, 280):
        merge(bench, f"{frame}.0", f"{frame}.1")
    assert f"{FOLDER}/000001-000016.keys" in of_keys(bench)  # 32 hashes are more than 20: no run of runs


def test_what_becomes_large_is_not_put_together_further_in_the_same_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_files, "FAN", 3)
    monkeypatch.setattr(key_files, "MOST_FILES", 0)
    bench = grown(9, 2)
    monkeypatch.setattr(key_files, "MOST_FILES", 256)
    monkeypatch.setattr(key_files, "LIGHT", 4)
    merge(bench, "9.0")
    runs = [f"{FOLDER}/{first:06d}-{first + 2:06d}.keys" for first in (0, 3, 6)]
    assert sorted(of_keys(bench)) == [f"{FOLDER}/000/000009.keys", *runs]


def test_a_run_may_take_the_name_of_one_of_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where segments were added by hand between those that are there."""
    monkeypatch.setattr(key_files, "FAN", 2)
    bench = Bench(rules_of(SEGMENTS), frame=0)
    for frame in (0, 3, 1, 2):
        bench.frame = frame
        merge(bench, str(frame))
    assert list(of_keys(bench)) == [f"{FOLDER}/000000-000003.keys"]
    assert covered(bench) == Counter(map(numbered, range(4)))


def test_frames_without_records_of_a_collection_leave_no_gap() -> None:
    bench = Bench(rules_of(SEGMENTS), frame=100)
    for frame in range(100, 100 + 16 * 7, 7):
        bench.frame = frame
        merge(bench, f"{frame}")
    assert list(of_keys(bench)) == [f"{FOLDER}/000100-000205.keys"]
    assert bench.open().records([key("100"), key("205")]).keys() == {key("100"), key("205")}


def test_observations_have_none() -> None:
    bench = Bench(rules_of(schema("observe", layout="segments", properties=KEYED["properties"])))
    for _ in range(20):
        merge(bench, "x")
    assert of_keys(bench) == {}


# --- costs, counted


def test_files_read_and_bytes_written_grow_with_the_logarithm_of_the_frames() -> None:
    counting = CountingFiles()
    bench = grown(0, files=counting)
    read, written = [], 0
    for frame in range(520):
        counting.batches.clear()
        counting.one.clear()
        changes = merge(bench, *(f"{frame}.{one}" for one in range(3)))
        (batch,) = counting.batches or [[]]
        assert counting.one == [f"state/things/{numbered(frame)}.jsonl"]  # is there one of a frame rolled back?
        read.append(len(batch))
        written += sum(len(one.data or b"") for one in changes if one.path.startswith(FOLDER))
    assert max(read) == 15 + 15 + 1  # of 1, 16 and 256 segments each
    assert max(read[:256]) == 15 + 15
    assert max(read[:16]) == 15
    per_hash = written / (520 * 3 * 8)
    assert 2.5 < per_hash < 4.5  # once in each kind, and the tables


def test_each_frame_of_an_older_repository_puts_some_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_files, "MOST_FILES", 0)
    bench = grown(100)
    assert len(of_keys(bench)) == 100
    monkeypatch.setattr(key_files, "MOST_FILES", 32)
    steps = []
    for frame in range(100, 105):
        changes = merge(bench, f"{frame}.0")
        assert sum(one.data is None for one in changes) <= 32
        steps.append(len(of_keys(bench)))
        assert set(covered(bench).values()) == {1}
        assert bench.open().present(marks(["0.0", "99.0", "no"])) == marks(["0.0", "99.0"])
    assert steps == [71, 42, 13, 14, 15]


def test_a_frame_writes_no_more_than_a_run_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_files, "MOST_FILES", 0)
    bench = grown(64, 10)
    monkeypatch.setattr(key_files, "MOST_FILES", 256)
    monkeypatch.setattr(key_files, "MOST_HASHES", 330)
    changes = merge(bench, "64.0")
    assert sum(one.after for one in changes if one.path.startswith(FOLDER)) == 320 + 1
    assert [len(of_keys(bench)), set(covered(bench).values())] == [64 + 1 - 30, {1}]


# --- found again


@given(
    frames=st.lists(st.lists(st.integers(0, 30), max_size=5, unique=True), max_size=30),
    fan=st.integers(2, 4), light=st.integers(1, 20), most=st.integers(0, 6), again=st.integers(0, 3),
)  # fmt: skip
def test_any_frames_mean_what_a_dict_means(
    frames: list[list[int]], fan: int, light: int, most: int, again: int
) -> None:
    """Also with frame numbers that are used again, as after a merge that was rolled back by hand."""
    reference: dict[str, str] = {}
    bench = Bench(rules_of(SEGMENTS), frame=0)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"FAN": fan, "LIGHT": light, "MOST_FILES": most}.items():
            patch.setattr(key_files, name, value)
        patch.setattr(segments, "_AT_ONCE", 3)
        for turn, names in enumerate(frames):
            if again and turn % 7 == 6:
                bench.frame = max(0, bench.frame - again)
            new = [str(name) for name in names if str(name) not in reference]
            for one in merge(bench, *new):
                assert one.after >= one.before
            reference |= {name: f"state/things/{numbered(bench.frame - 1)}.jsonl" for name in new}
        asked = list(map(str, range(32)))
        store = bench.open()
        assert store.present(marks(asked)) == marks(reference)
        assert store.records(list(map(key, asked))) == {key(name): {"id": name} for name in reference}
        for name in asked:
            assert segments.SegmentsStore(store._opening).path_of(key(name)) == reference.get(name)  # type: ignore[attr-defined]
        assert set(covered(bench).values()) <= {1}


def test_only_segments_that_are_hit_are_read_and_not_too_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = grown(40, 4)
    counting = CountingFiles(bench.files.files)
    monkeypatch.setattr(segments, "_AT_ONCE", 9)
    names = ["3.0", "3.3", "17.1", "33.2", "39.0", "40.0"]
    found = Bench(rules_of(SEGMENTS), counting).open().records(list(map(key, names)))
    assert found == {key(name): {"id": name} for name in names[:-1]}
    keys, *read = counting.batches
    assert all(path.startswith(FOLDER) for path in keys)
    assert read == [[f"state/things/000/0000{frame:02d}.jsonl" for frame in pair] for pair in ((3, 17), (33, 39))]
    assert counting.one == []


def test_who_asks_for_nothing_reads_nothing() -> None:
    counting = CountingFiles(grown(20).files.files)
    store = Bench(rules_of(SEGMENTS), counting).open()
    assert (store.present(set()), store.records([])) == (set(), {})
    assert (counting.batches, counting.one) == ([], [])


def test_of_a_segment_that_is_hit_only_the_candidates_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, parsed = grown(20, 50), list[int]()
    whole = segments.parse_lines

    def noted(data: bytes, path: str) -> list[dict[str, Any]]:
        parsed.append(data.count(b"\n"))
        return whole(data, path)

    monkeypatch.setattr(segments, "parse_lines", noted)
    assert bench.open().records([key("7.49")]) == {key("7.49"): {"id": "7.49"}}
    assert parsed == [1]


def test_forged_hashes_hide_nothing_in_a_run_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "key_hashes", lambda keys: array("Q", b"\1" * 8 * len(list(keys))))
    monkeypatch.setattr(segments, "key_hash", lambda key: int.from_bytes(b"\1" * 8, "big"))
    bench = grown(20, 2)
    assert f"{FOLDER}/000000-000015.keys" in of_keys(bench)
    names = [f"{frame}.{one}" for frame in range(20) for one in (0, 1)]
    found = bench.open().records(list(map(key, [*names[::3], "nobody"])))
    assert found == {key(name): {"id": name} for name in names[::3]}


# --- missing, and damaged


def test_a_missing_run_is_made_up_from_the_records_and_written() -> None:
    bench = grown(20, 2)
    whole = dict(bench.files.files)
    del bench.files.files[RUN]
    assert bench.open().records([key("3.1"), key("nobody")]) == {key("3.1"): {"id": "3.1"}}
    changes = merge(bench, "20.0")
    assert {one.path: one.data for one in changes if one.path in whole} == {RUN: whole[RUN]}
    assert set(covered(bench).values()) == {1}
    assert len(of_keys(bench)) == 6


def test_where_there_are_none_at_all_they_are_written_in_order() -> None:
    """As where a collection of observations became one of records."""
    bench = grown(300)
    for path in of_keys(bench):
        del bench.files.files[path]
    merge(bench, "300.0")
    assert len(of_keys(bench)) == 1 + 2 + 13  # 301 = 256 + 2·16 + 13
    assert set(covered(bench).values()) == {1}


def damaged(data: bytes) -> dict[str, bytes]:
    head, _, body = data.partition(b"\n\n")
    rows = head.split(b"\n")
    swapped = [*rows[1:2], *rows[:1], *rows[2:]]
    return {
        "cut off": data[:-1],
        "a hash too few": data[:-8],
        "a hash too many": data + b"\0" * 8,
        "empty": b"",
        "no table": body,
        "no hashes": head,
        "a row that is none": head.replace(b"3 2", b"3 x") + b"\n\n" + body,
        "a number spelled otherwise": head.replace(b"3 2", b"3 +2") + b"\n\n" + body,
        "segments out of order": b"\n".join(swapped) + b"\n\n" + body,
        "a segment twice": head.replace(b"\n3 2", b"\n2 2") + b"\n\n" + body,
        "a negative size": head.replace(b"\n3 2\n4 2", b"\n3 -2\n4 6") + b"\n\n" + body,
        "another's table": head.replace(b"15 2", b"16 2") + b"\n\n" + body,
        "a number without end": b"9" * 5000 + b" 2\n" + data,
    }


@pytest.mark.parametrize("how", damaged(b"0 2\n\n"))
def test_a_damaged_run_stops_the_merge(how: str) -> None:
    bench = grown(16, 2)
    assert parse_run(bench.files.files[RUN], RUN).sizes == [2] * 16
    bench.files.files[RUN] = damaged(bench.files.files[RUN])[how]
    with pytest.raises(UnreadableState) as error:
        bench.open().present(marks(["x"]))
    assert str(error.value).splitlines()[1:3] == [
        f"  {RUN}",
        "    Expected a table of segments and the key hashes of all their records here.",
    ]


@given(cut=st.integers(0, 90), put=st.binary(max_size=12), away=st.integers(0, 12))
def test_whatever_bytes_are_taken_for_a_run_are_its_bytes(cut: int, put: bytes, away: int) -> None:
    whole = b"0 2\n15 3\n\n" + bytes(range(40))
    data = whole[:cut] + put + whole[cut + away :]
    try:
        one = parse_run(data, RUN)
    except UnreadableState:
        assert data != whole
    else:
        assert one.as_bytes() == data
        assert sum(one.sizes) == len(one.hashes)


def altered(bench: Bench, changes: Mapping[str, bytes | None]) -> str:
    for path, data in changes.items():
        if data is None:
            del bench.files.files[path]
        else:
            bench.files.files[path] = data
    with pytest.raises(UnreadableState) as error:
        bench.open().records([key("3.0"), key("3.1")])
    return "\n".join(str(error.value).splitlines()[1:3])


def test_a_run_of_a_segment_that_is_gone_stops_the_merge() -> None:
    assert altered(grown(16), {"state/things/000/000003.jsonl": None}) == (
        f"  {RUN}\n    The key file names segment 000/000003, which is not there."
    )


def test_a_segment_that_two_key_files_cover_stops_the_merge() -> None:
    other = f"{FOLDER}/000/000003.keys"
    assert altered(grown(16), {other: hashes("3.0")}) == (
        f"  {other}\n    The key file covers segment 000/000003, which {RUN} covers already."
    )
    run = f"{FOLDER}/000003-000003.keys"
    assert altered(grown(16), {run: b"3 1\n\n" + hashes("3.0")}) == (
        f"  {run}\n    The key file covers segment 000/000003, which {RUN} covers already."
    )


def test_a_segment_that_has_other_lines_than_its_run_says_stops_the_merge() -> None:
    path = "state/things/000/000003.jsonl"
    assert altered(grown(16, 2), {path: b'{"id":"3.0"}\n'}) == (
        f"  {path}\n    The segment has 1 record, its key file 2 keys."
    )
    assert altered(grown(16, 2), {path: b'{"id":"3.0"}\n{oh}\n'}) == (
        f"  {path}:2\n    Not a line of JSON: unexpected character, expected a string key."
    )


def test_a_candidate_that_cannot_be_read_is_named_by_its_line() -> None:
    bench, path = grown(16, 2), "state/things/000/000003.jsonl"
    bench.files.files[path] = b'{"id":"3.0"}\n{oh}\n'
    assert bench.open().records([key("3.0")]) == {key("3.0"): {"id": "3.0"}}
    with pytest.raises(UnreadableState) as error:
        bench.open().records([key("3.1")])
    assert str(error.value).splitlines()[1] == f"  {path}:2"


def test_what_is_no_key_file_is_none() -> None:
    bench = grown(3)
    bench.files.files[f"{FOLDER}/README.keys"] = b"?"
    bench.files.files[f"{FOLDER}/000/000009.keys"] = b"?"
    assert bench.open().present(marks(["1.0", "9.0"])) == marks(["1.0"])


def test_segments_that_others_named_are_known_but_never_put_together() -> None:
    names = [f"2024/{chr(97 + one)}" for one in range(20)]
    files = {f"state/things/{name}.jsonl": canonical.line({"id": name}) for name in names}
    bench = grown(16, files=MemoryFiles(files))
    assert len(of_keys(bench)) == 20 + 1
    assert bench.open().present(marks([names[3], "3.0"])) == marks([names[3], "3.0"])
    assert set(covered(bench).values()) == {1}


def test_a_segment_within_a_run_is_extended_there() -> None:
    bench = grown(20, 2)
    bench.frame = 5
    changes = merge(bench, "new")
    assert [one.path for one in changes] == ["state/things/000/000005.jsonl", RUN]
    assert covered(bench)["000/000005"] == 1
    assert bench.open().records([key("5.1"), key("new"), key("6.0")]).keys() == {key("5.1"), key("new"), key("6.0")}


# --- proven


def wrong(bench: Bench, changes: Mapping[str, bytes | None]) -> list[str]:
    """What an audit says of key files, in order: where, why."""
    for path, data in changes.items():
        if data is None:
            del bench.files.files[path]
        else:
            bench.files.files[path] = data
    places = Places(bench.files, Paths())
    found = places.files_of(bench.rules)
    for start in range(0, len(found), 3):  # in batches, as verify's processes take them
        other = Places(bench.files, Paths(), places.keys)
        other.read(bench.rules, found[start : start + 3])
        places.found.add(other.found)
    return [f"{one.file}: {one.message}" for one in places.found.problems]


TABLE = b"".join(b"%d 2\n" % frame for frame in range(16)) + b"\n"
ALL = b"".join(hashes(f"{frame}.0", f"{frame}.1") for frame in range(16))
LAST, FIRST_OF_RUN = f"{FOLDER}/000/000017.keys", "state/things/000/000000.jsonl"
DISAGREES = "The key file does not hold the keys of {}, record by record."
MISSING = "The segment's key file is missing: {}."
ROWS: dict[str, tuple[dict[str, bytes | None], list[str]]] = {
    "nothing": ({}, []),
    "a hash that no record has": (
        {RUN: TABLE + b"\0" * 8 + ALL[8:]}, [f"{RUN}: {DISAGREES.format(FIRST_OF_RUN)}"],
    ),
    "two hashes in each other's place": (
        {RUN: TABLE + ALL[:-16] + ALL[-8:] + ALL[-16:-8]},
        [f"{RUN}: {DISAGREES.format('state/things/000/000015.jsonl')}"],
    ),
    "a hash of the next segment": (
        {RUN: TABLE.replace(b"0 2\n1 2", b"0 3\n1 1", 1) + ALL},
        [f"{RUN}: {DISAGREES.format(f'state/things/000/{number:06d}.jsonl')}" for number in (0, 1)],
    ),
    "a surplus hash": (
        {RUN: TABLE.replace(b"15 2", b"15 3") + ALL + b"\0" * 8},
        [f"{RUN}: {DISAGREES.format('state/things/000/000015.jsonl')}"],
    ),
    "a run that cannot be read: one word, not one a segment": (
        {RUN: TABLE + ALL[8:]}, [f"{RUN}: This cannot be read as a key file of several segments."],
    ),
    "a run that is gone: each segment lacks its keys": (
        {RUN: None},
        [
            f"state/things/000/{number:06d}.jsonl: {MISSING.format(f'{FOLDER}/000/{number:06d}.keys')}"
            for number in range(16)
        ],
    ),
    "a run of segments that are not there": (
        dict.fromkeys(("state/things/000/000002.jsonl", "state/things/000/000003.jsonl")),
        [f"{RUN}: The key file holds keys of a segment that is not there: 000/000002 and 1 more."],
    ),
    "a segment covered twice": (
        {f"{FOLDER}/000/000003.keys": hashes("3.0", "3.1")},
        [f"{RUN}: The key file covers segment 000/000003, which {FOLDER}/000/000003.keys covers already."],
    ),
    "a segment's own key file, gone": (
        {LAST: None}, [f"state/things/000/000017.jsonl: {MISSING.format(LAST)}"],
    ),
    "a segment's own key file, too long": (
        {LAST: hashes("17.0", "17.1", "17.1")}, [f"{LAST}: {DISAGREES.format('state/things/000/000017.jsonl')}"],
    ),
    "what is no key file": (
        {f"{FOLDER}/000/000099.keys": b"", f"{FOLDER}/1-2.keys.x": b"", f"{FOLDER}/x.keys": b""},
        [
            f"{FOLDER}/{name}: The key file belongs to no segment."
            for name in ("000/000099.keys", "1-2.keys.x", "x.keys")
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", ROWS)
def test_an_audit_finds_every_hash_that_is_missing_surplus_or_elsewhere(how: str) -> None:
    changes, said = ROWS[how]
    assert wrong(grown(18, 2), changes) == said
