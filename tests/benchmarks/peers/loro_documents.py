"""Loro: one document, an update a worker, all imported in one batch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from loro import ExportMode, LoroDoc

from tests.benchmarks.peers import keyed
from tests.benchmarks.peers.sqlite import as_delta
from tests.benchmarks.peers.work import Work
from tests.benchmarks.plain import State


class Loro:
    """Its counters are containers of their own."""

    def prepare(self, folder: Path, work: Work) -> None:
        (folder / "updates").mkdir()
        base = _document(1)
        _write(base, as_delta(work.base))
        (folder / "state").write_bytes(base.export(ExportMode.Snapshot()))
        known = base.oplog_vv
        for number, delta in enumerate(work.deltas):
            # A worker's replica is a process's copy of this one: to load a million records anew takes seconds.
            if worker := os.fork():
                if os.waitpid(worker, 0)[1]:
                    raise ChildProcessError(f"the worker {delta['stream_id']} failed")
                continue
            base.peer_id = 2 + number
            _write(base, delta)
            update = base.export(ExportMode.Updates(known))
            (folder / "updates" / f"{number:04}").write_bytes(update)
            if not number % 10:
                (folder / "updates" / f"{number:04} 2").write_bytes(update)
            os._exit(0)

    def merge(self, folder: Path) -> None:
        document = LoroDoc()
        document.import_((folder / "state").read_bytes())
        document.import_batch([file.read_bytes() for file in sorted((folder / "updates").iterdir())])
        (folder / "state").write_bytes(document.export(ExportMode.Snapshot()))

    def read(self, folder: Path) -> State:
        document = LoroDoc()
        document.import_((folder / "state").read_bytes())
        maps = {name: document.get_map(name).get_value() for name in keyed.MAPS}
        value = document.get_deep_value()
        counters = {name.replace(":", " ", 1): held for name, held in value.items() if ":" in name}
        return keyed.state_of(maps, document.get_list(keyed.SOULS).get_value(), counters)


def _document(peer: int) -> LoroDoc:
    document = LoroDoc()
    document.peer_id = peer
    return document


def _write(document: LoroDoc, delta: dict[str, Any]) -> None:
    maps = {name: document.get_map(name) for name in keyed.MAPS}
    souls = document.get_list(keyed.SOULS)
    for operation in keyed.operations(delta):
        match operation:
            case keyed.Put(name, key, value):
                maps[name].insert(key, value)
            case keyed.Say(value):
                souls.push(value)
            case keyed.Count(key, by):
                document.get_counter(key.replace(" ", ":")).increment(by)
    document.commit()
