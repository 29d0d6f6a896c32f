"""A repository as if it had been merged for long: genuine frames, made directly, as large as is asked for.

Each frame adds a segment of posts with its keys, archives the delta that brought them, and has its receipts, its line
in the ledger and its manifest. What is left out is the work of merging: nothing is looked up in the frames before.
"""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from merge_bot.batch import Batch
from merge_bot.canonical import digest, document
from merge_bot.clone import Clone
from merge_bot.collect import Base, read_base
from merge_bot.commit_files import CommitFiles
from merge_bot.delta import Candidate, Delta, file_name, format_utc
from merge_bot.findings import Outcome, Receipt
from merge_bot.frame import run_frame
from merge_bot.layouts.base import Opening
from merge_bot.layouts.segments import SegmentsStore
from merge_bot.ledger import Ledger, Line
from merge_bot.manifest import MERGE, Manifest
from merge_bot.publish.commit import CommitPublisher
from merge_bot.receipts import receipts_bytes
from merge_bot.snapshot import digests, state_tree_after
from merge_bot.state import Meta
from merge_bot.transports.base import Changes
from merge_bot.transports.memory import MemoryTransport
from merge_bot.tree import FILE
from merge_bot.validate import validate

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMAS = Path(__file__).parents[1] / "schemas"
AGENTS = 20


def begin(folder: Path) -> None:
    """A bare repository in which a first frame has made agents and a channel."""
    with Clone.open(str(folder), "main") as clone:
        schemas = {file.name: file.read_bytes() for file in SCHEMAS.glob("*.schema.json")}
        clone.begin(clone.plan({}, schemas, BEGIN, 1), BEGIN)
        agents = [{"agent_id": f"agent-{number}", "name": f"Agent {number}"} for number in range(AGENTS)]
        channels = [{"slug": "general", "name": "General"}]
        first = _delta(1, profile_updates=agents, channels_updated=channels)
        transport = MemoryTransport([(file_name(1, "founder"), first)])
        publisher = CommitPublisher(clone.repository, clone.ref, clone.author())
        run_frame(clone.repository, clone.base(), transport, publisher, BEGIN)


def grow(folder: Path, frames: int, records: int, body: int) -> None:
    """Further frames of `records` posts each, whose bodies are `body` characters that do not compress well."""
    with Clone.open(str(folder), "main") as clone:
        base = clone.base()
        for _ in range(frames):
            random = Random(base.meta.frame)
            posts = [
                {
                    "number": base.meta.frame * 1_000_000 + number, "title": f"Post {number}", "channel": "general",
                    "author": f"agent-{random.randrange(AGENTS)}",
                    "body": b64encode(random.randbytes(body * 3 // 4)).decode(),
                }
                for number in range(records)
            ]  # fmt: skip
            commit, meta, manifest = _frame(clone, base, _delta(base.meta.frame, posts_created=posts))
            files = CommitFiles(clone.repository, commit)
            base = base._replace(commit=commit, files=files, meta=meta, manifest=manifest)
        clone.repository.compare_and_swap(clone.ref, base.commit, clone.tip)
        assert read_base(clone.repository, base.commit).manifest == base.manifest


def _delta(frame: int, **operations: object) -> bytes:
    utc = format_utc(BEGIN + timedelta(minutes=frame))
    return json.dumps({"frame": frame, "stream_id": "founder", "utc": utc, **operations}).encode()


def _frame(clone: Clone, base: Base, data: bytes) -> tuple[str, Meta, Manifest]:
    paths, number, now = base.paths, base.meta.frame, BEGIN + timedelta(minutes=base.meta.frame)
    name = file_name(number, "founder")
    delta = validate(Candidate(name, "", FILE, len(data), data, digest(data)), base.rules)
    assert isinstance(delta, Delta), delta
    posts = SegmentsStore(Opening(base.collections["posts"], base.files, paths, number))
    batch = delta.operations["posts"]
    assert isinstance(batch, Batch)
    posts.append([batch])
    ledger = Ledger(base.files, paths)
    ledger.add(number, Line(delta.digest, Outcome.APPLIED, number, "founder", fills=True))
    receipt = Receipt(delta.digest, name, Outcome.APPLIED, frame=number, stream_id="founder", utc=delta.utc)
    state: dict[str, bytes] = {change.path: change.data for change in posts.flush()}
    state |= {path: content for path, content, _ in ledger.changes()}
    state[paths.receipts(number)] = receipts_bytes([receipt])
    tree, adopted = state_tree_after(base, state)
    kept = f"{paths.frame(number)}/deltas/{file_name(number, 'founder', delta.digest[:32])}"
    row = {
        "delta": delta.digest, "outcome": "applied", "source": name, "stream_id": "founder", "utc": delta.utc,
        "frame": number, "file": kept,
    }  # fmt: skip
    counts = {**base.manifest.counts, "posts": base.manifest.counts.get("posts", 0) + posts.growth()}
    manifest = Manifest(
        frame=number, kind=MERGE, time=format_utc(now), base=base.commit, state_tree=tree, counts=counts,
        files=digests(state, {}), deltas=(row,), settings=base.settings_id, schemas=base.schema_ids, adopted=adopted,
        previous=base.meta.manifest, landed=base.commit,
    )  # fmt: skip
    meta = Meta(number + 1, manifest.time, manifest.digest)
    changes: Changes = {**state, kept: data}
    changes[paths.manifest(number)] = manifest.as_bytes()
    changes[paths.meta] = document(meta.as_json())
    commit = clone.repository.write_commit(
        base.commit, changes, f"Frame {number}", clone.author(), int(now.timestamp())
    )
    return commit, meta, manifest
