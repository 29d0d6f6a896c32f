"""The peers, by name: where each is, what it needs, what its time leaves out and what it has no words for."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from tests.benchmarks.generator import Shape
from tests.benchmarks.peers.base import Peer

MOST_COPIED = 100_000
"""Thousand records, over all workers, in the files of a peer that copies the whole state: tens of gigabytes."""

HERE = "tests.benchmarks.peers"
NO_CHECKS = "validation, JSON files, a commit, receipts"
NO_WORDS = "which fields two workers disagreed on; which records wait for what; who wrote what"
CRDT_FREE = f"making the replicas and their updates (done by the workers), {NO_CHECKS}"
CRDT_MUTE = "that a record refers to nothing (it is in); which value was the latest by the workers' clocks"


@dataclass(frozen=True, slots=True)
class Entry:
    """`place` is module:class below this package, `needs` the distributions that must be installed, `modelled` how.

    `copies`: each worker hands over the whole state, so that its files grow with workers times state.
    """

    name: str
    place: str
    modelled: str
    free: str
    mute: str
    needs: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    copies: bool = False

    def too_much(self, shape: Shape) -> str | None:
        """Why it cannot be run at such a size, if so."""
        if self.copies and shape.deltas * shape.state > MOST_COPIED:
            return f"its workers would hand over {shape.deltas:,} copies of a state of {shape.state:,},000 records"
        return None

    def load(self) -> Peer:
        """Import and make it. Raises ImportError where what it needs is missing."""
        module, _, name = self.place.partition(":")
        peer: Peer = getattr(import_module(f"{HERE}.{module}"), name)(**self.options)
        return peer


ENTRIES = (
    Entry(
        "dreamcatcher", "dreamcatcher:Dreamcatcher",
        "`merge` in a bare clone, with everything: validation, receipts, archive, ledger, commit",
        "the fetch of the deltas, a push, JSON files in a work tree", "a deletion: the protocol only adds",
    ),
    Entry(
        "plain Python", "plain_files:PlainFiles", "json, dicts, one indented file a collection, references by hand",
        "validation, a commit, receipts",
        "that a delta was here before; which fields two workers disagreed on; who wrote what",
    ),
    Entry(
        "jsonmerge", "json_merge:Jsonmerge",
        "one JSON document, records by key, a strategy of one's own that adds numbers (it brings none)",
        NO_CHECKS, f"that a delta was here before; that a record refers to nothing; {NO_WORDS}", ("jsonmerge",),
    ),
    Entry(
        "SQLite", "sqlite:Sqlite", "a table a collection, upserts in the order of time, `WHERE EXISTS` for references",
        NO_CHECKS, f"that a delta was here before (without a table of one's own for that); {NO_WORDS}",
    ),
    Entry(
        "SQLite, digests", "sqlite:Sqlite", "the same, with a table of the digests of the deltas that were here before",
        NO_CHECKS, NO_WORDS, options={"once": True},
    ),
    Entry(
        "DuckDB", "duck:DuckDb", "`read_json` on all files, one `INSERT … SELECT` a table",
        NO_CHECKS, f"that a delta was here before (without a table of one's own for that); {NO_WORDS}", ("duckdb",),
    ),
    Entry(
        "Automerge", "automerge_documents:Automerge",
        "a replica a worker; a register a worker for each counter, as the Python binding makes no counters",
        CRDT_FREE, CRDT_MUTE, ("automerge",), copies=True,
    ),
    Entry(
        "Yjs (pycrdt)", "yjs:Yjs", "an update a worker; a register a worker for each counter, as it has no counters",
        CRDT_FREE, f"{CRDT_MUTE}; which values lost", ("pycrdt",),
    ),
    Entry(
        "Loro", "loro_documents:Loro", "an update a worker, imported in one batch; its own counters",
        CRDT_FREE, f"{CRDT_MUTE}; which values lost, but for a walk through its history", ("loro",),
    ),
    Entry(
        "git merge", "branches:Branches", "a branch a worker that edits the state's files; who conflicts is left out",
        "making the branches (done by the workers), validation, receipts", "what a line means: it merges lines",
        copies=True,
    ),
    Entry(
        "git merge, union", "branches:Branches", "the same with `merge=union`, which keeps both sides' lines",
        "making the branches (done by the workers), validation, receipts", "that there was a conflict at all",
        options={"union": True}, copies=True,
    ),
)  # fmt: skip
BY_NAME = {entry.name: entry for entry in ENTRIES}
