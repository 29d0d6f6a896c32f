"""Layouts: one suite that each plugs into with a few lines, and a dict as the reference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merge_bot.collection import Collection
from merge_bot.layouts.base import Store
from tests.layout_bench import HOSTILE, KEYED, Bench, batch_of, rules_of
from tests.world import schema


@dataclass(frozen=True)
class Plug:
    """What a layout brings to the suite: its rules, and the value or record under a key."""

    rules: dict[str, Any]
    value: Any
    appends: bool = False
    each_key_once: bool = True

    @property
    def collection(self) -> Collection:
        return rules_of(self.rules)

    def key(self, name: str) -> str:
        return self.collection.key_of({"id": name}) or ""


def one_object(name: str, number: int) -> Any:
    return {"id": name, "n": number}


def a_set(name: str, number: int) -> Any:
    return [{"id": name, "n": one} for one in range(number + 1)]


PLUGS = {
    "file: an object of entities": Plug(schema("last-writer-wins", layout="file", shape="object", **KEYED), one_object),
    "file: an array of entities": Plug(schema("last-writer-wins", layout="file", **KEYED), one_object),
    "file: records": Plug(schema("append", layout="file", **KEYED), one_object, appends=True),
    "file: records at a pointer": Plug(
        schema("append", layout="file", pointer="/a~1b/log", **KEYED), one_object, appends=True
    ),
    "entities: objects": Plug(schema("last-writer-wins", layout="entities", **KEYED), one_object),
    "entities: sets": Plug(schema("union", layout="entities", **KEYED), a_set),
    "entities: observations": Plug(
        schema("observe", layout="entities", **KEYED), one_object, appends=True, each_key_once=False
    ),
    "file: observations": Plug(
        schema("observe", layout="file", **KEYED), one_object, appends=True, each_key_once=False
    ),
    "segments": Plug(schema("append", layout="segments", **KEYED), one_object, appends=True),
}
ORDERED = ("file: an array of entities",)  # keeps the order of what comes


def layouts(names: Iterable[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("plug", [pytest.param(PLUGS[name], id=name) for name in names])


every_layout = layouts(PLUGS)


def bring(plug: Plug, store: Store, reference: dict[str, Any], items: Iterable[tuple[str, Any]]) -> int:
    """Put or append `items` (name, value); the reference learns them too. Returns how many records that adds."""
    before = sum(map(size, reference.values()))
    for name, value in items:
        key = plug.key(name)
        if not plug.appends:
            store.put(key, value)
            reference[key] = value
            continue
        store.append([batch_of(plug.collection, value)])
        if plug.each_key_once:
            reference[key] = value
        else:
            reference[key] = [*reference.get(key, []), value]
    return sum(map(size, reference.values())) - before


def size(value: Any) -> int:
    return len(value) if isinstance(value, list) else 1


def same(plug: Plug, bench: Bench, reference: dict[str, Any], names: Iterable[str]) -> None:
    keys = [plug.key(name) for name in names]
    assert bench.open().records(keys) == {key: reference[key] for key in keys if key in reference}
    mark = plug.collection.mark
    assert bench.open().present({mark(key) for key in keys}) == {mark(key) for key in keys if key in reference}


@every_layout
def test_where_nothing_is_nothing_is_found(plug: Plug) -> None:
    bench = Bench(plug.collection)
    store = bench.open()
    same(plug, bench, {}, HOSTILE)
    assert store.records([]) == {}
    assert (list(store.flush()), store.growth()) == ([], 0)


@every_layout
def test_what_a_frame_brings_the_next_one_finds_under_its_key_and_no_other(plug: Plug) -> None:
    bench, reference = Bench(plug.collection), dict[str, Any]()
    names = HOSTILE[::2]
    store = bench.open()
    grown = bring(plug, store, reference, [(name, plug.value(name, 1)) for name in names])
    bench.flush(store)
    assert store.growth() == grown
    same(plug, bench, reference, HOSTILE)
    assert len(reference) == len(names)


@every_layout
def test_a_later_frame_keeps_what_it_does_not_touch(plug: Plug) -> None:
    bench, reference = Bench(plug.collection), dict[str, Any]()
    for names in (["aria", "kai"], ["zoe"], ["bob", "a/b"]):
        store = bench.open()
        bring(plug, store, reference, [(name, plug.value(name, 1)) for name in names])
        bench.flush(store)
    same(plug, bench, reference, ["aria", "kai", "zoe", "bob", "a/b", "nobody"])


@every_layout
def test_a_frame_that_only_asks_changes_no_file(plug: Plug) -> None:
    bench, reference = Bench(plug.collection), dict[str, Any]()
    store = bench.open()
    bring(plug, store, reference, [("kai", plug.value("kai", 1))])
    bench.flush(store)
    store = bench.open()
    store.records([plug.key("kai"), plug.key("aria")])
    store.present({plug.collection.mark(plug.key(name)) for name in ("kai", "aria")})
    assert (list(store.flush()), store.growth()) == ([], 0)


@layouts(name for name, plug in PLUGS.items() if not plug.appends)
def test_the_same_value_again_changes_no_file(plug: Plug) -> None:
    bench, reference = Bench(plug.collection), dict[str, Any]()
    for _ in range(2):
        store = bench.open()
        bring(plug, store, reference, [("kai", plug.value("kai", 1))])
        changes = bench.flush(store)
    assert (changes, store.growth()) == ([], 0)


@every_layout
def test_every_change_tells_its_records_before_and_after(plug: Plug) -> None:
    bench, reference = Bench(plug.collection), dict[str, Any]()
    for names in (["aria", "kai"], ["zoe", "bob"]):
        store = bench.open()
        grown = bring(plug, store, reference, [(name, plug.value(name, 1)) for name in names])
        of_records = [one for one in bench.flush(store) if not one.path.endswith(".keys")]
        assert sum(one.after - one.before for one in of_records) == grown == store.growth()


@layouts(name for name, plug in PLUGS.items() if not plug.appends and name not in ORDERED)
def test_the_bytes_do_not_depend_on_the_order_of_puts(plug: Plug) -> None:
    made = []
    for names in (HOSTILE, HOSTILE[::-1]):
        bench = Bench(plug.collection)
        store = bench.open()
        bring(plug, store, {}, [(name, plug.value(name, 1)) for name in names])
        bench.flush(store)
        made.append(bench.files.files)
    assert made[0] == made[1]


@every_layout
@given(frames=st.lists(st.dictionaries(st.sampled_from(HOSTILE[:20]), st.integers(0, 3)), max_size=4))
def test_any_frames_mean_what_a_dict_means(plug: Plug, frames: list[dict[str, int]]) -> None:
    bench, reference = Bench(plug.collection), dict[str, Any]()
    for frame in frames:
        store = bench.open()
        known = {key for key in reference if plug.appends and plug.each_key_once}
        items = [(name, plug.value(name, one)) for name, one in frame.items() if plug.key(name) not in known]
        grown = bring(plug, store, reference, items)
        bench.flush(store)
        assert store.growth() == grown
    same(plug, bench, reference, HOSTILE[:20])
