"""Automerge, through its Python binding: one document, a whole replica a worker, because the binding loads no less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automerge.core import ROOT, Document, ObjType, ScalarType

from tests.benchmarks.peers import keyed
from tests.benchmarks.peers.sqlite import as_delta
from tests.benchmarks.peers.work import Work
from tests.benchmarks.plain import State


class Automerge:
    """It has a counter, but the binding cannot make one yet: a register a worker, as in Yjs."""

    def prepare(self, folder: Path, work: Work) -> None:
        (folder / "replicas").mkdir()
        base = Document()
        with base.transaction() as change:
            for name in (*keyed.MAPS, keyed.COUNTERS):
                change.put_object(ROOT, name, ObjType.Map)
            change.put_object(ROOT, keyed.SOULS, ObjType.List)
        _write(base, as_delta(work.base), "base")
        (folder / "state").write_bytes(base.save())
        for number, delta in enumerate(work.deltas):
            replica = base.fork()
            _write(replica, delta, delta["stream_id"])
            saved = replica.save()
            (folder / "replicas" / f"{number:04}").write_bytes(saved)
            if not number % 10:
                (folder / "replicas" / f"{number:04} 2").write_bytes(saved)

    def merge(self, folder: Path) -> None:
        document = Document.load((folder / "state").read_bytes())
        for file in sorted((folder / "replicas").iterdir()):
            document.merge(Document.load(file.read_bytes()))
        (folder / "state").write_bytes(document.save())

    def read(self, folder: Path) -> State:
        document = Document.load((folder / "state").read_bytes())
        maps = {name: _map(document, name) for name in (*keyed.MAPS, keyed.COUNTERS)}
        counters = {key: int(value) for key, value in maps[keyed.COUNTERS].items()}
        place = _object(document, keyed.SOULS)
        souls = [_value(document.get(place, number)) for number in range(document.length(place))]
        return keyed.state_of(maps, souls, keyed.summed(counters))


def _object(document: Any, name: str) -> bytes:
    found: bytes = document.get(ROOT, name)[1]
    return found


def _map(document: Any, name: str) -> dict[str, Any]:
    place = _object(document, name)
    return {key: _value(document.get(place, key)) for key in document.keys(place)}


def _value(found: Any) -> Any:
    """A scalar comes as ((type, value), id of its change)."""
    return found[0][1]


def _write(document: Any, delta: dict[str, Any], worker: str) -> None:
    places = {name: _object(document, name) for name in (*keyed.MAPS, keyed.COUNTERS, keyed.SOULS)}
    end = document.length(places[keyed.SOULS])
    counted: dict[str, int] = {}
    with document.transaction() as change:
        for operation in keyed.operations(delta):
            match operation:
                case keyed.Put(name, key, value):
                    change.put(places[name], key, ScalarType.Str, value)
                case keyed.Say(value):
                    change.insert(places[keyed.SOULS], end, ScalarType.Str, value)
                    end += 1
                case keyed.Count(key, by):
                    counted[f"{key} {worker}"] = counted.get(f"{key} {worker}", 0) + by
        for key, by in counted.items():
            change.put(places[keyed.COUNTERS], key, ScalarType.Int, by)
