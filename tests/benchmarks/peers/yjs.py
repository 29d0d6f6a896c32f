"""Yjs, through pycrdt: one document, an update a worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pycrdt import Array, Doc, Map

from tests.benchmarks.peers import keyed
from tests.benchmarks.peers.sqlite import as_delta
from tests.benchmarks.peers.work import Work
from tests.benchmarks.plain import State

AT_ONCE = 500


class Yjs:
    """It has no counter: each worker keeps a register of its own for each, and readers add them up."""

    def prepare(self, folder: Path, work: Work) -> None:
        (folder / "updates").mkdir()
        base: Doc[Any] = Doc(client_id=1)
        _write(base, as_delta(work.base), "base")
        saved = base.get_update()
        (folder / "state").write_bytes(saved)
        known = base.get_state()
        for number, delta in enumerate(work.deltas):
            replica: Doc[Any] = Doc(client_id=2 + number)
            replica.apply_update(saved)
            _write(replica, delta, delta["stream_id"])
            update = replica.get_update(known)
            (folder / "updates" / f"{number:04}").write_bytes(update)
            if not number % 10:
                (folder / "updates" / f"{number:04} 2").write_bytes(update)

    def merge(self, folder: Path) -> None:
        document: Doc[Any] = Doc()
        document.apply_update((folder / "state").read_bytes())
        for file in sorted((folder / "updates").iterdir()):
            document.apply_update(file.read_bytes())
        (folder / "state").write_bytes(document.get_update())

    def read(self, folder: Path) -> State:
        document: Doc[Any] = Doc()
        document.apply_update((folder / "state").read_bytes())
        maps = {name: document.get(name, type=Map).to_py() or {} for name in (*keyed.MAPS, keyed.COUNTERS)}
        counters = {key: int(value) for key, value in maps[keyed.COUNTERS].items()}
        return keyed.state_of(maps, document.get(keyed.SOULS, type=Array).to_py() or [], keyed.summed(counters))


def _write(document: Doc[Any], delta: dict[str, Any], worker: str) -> None:
    maps = {name: document.get(name, type=Map) for name in (*keyed.MAPS, keyed.COUNTERS)}
    souls = document.get(keyed.SOULS, type=Array)
    counted: dict[str, int] = {}
    said: list[str] = []
    with document.transaction():
        for operation in keyed.operations(delta):
            match operation:
                case keyed.Put(name, key, value):
                    maps[name][key] = value
                case keyed.Say(value):
                    said.append(value)
                case keyed.Count(key, by):
                    counted[f"{key} {worker}"] = counted.get(f"{key} {worker}", 0) + by
        for key, by in counted.items():
            maps[keyed.COUNTERS][key] = by
    for first in range(0, len(said), AT_ONCE):  # within one transaction each append walks past those before it
        with document.transaction():
            souls.extend(said[first : first + AT_ONCE])
