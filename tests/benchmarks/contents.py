"""What a merge came to, read back from its commit: by collection how many records, and a digest of them all.

Order does not count (append and observe collections are read as sets that may hold a record twice), spelling does not
either. This reads the layouts without the code that wrote them.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Container, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.benchmarks.plain import COLLECTIONS

Contents = dict[str, dict[str, Any]]


def of_ours(repository: Path, commit: str) -> Contents:
    """Of a repository in our layout."""
    records: dict[str, Summed] = {name: Summed() for name in (*COLLECTIONS, "parked")}
    for name, some in records_of_ours(repository, commit):
        records[name].add(some)
    return {name: one.result() for name, one in records.items()}


def records_of_ours(repository: Path, commit: str) -> Iterator[tuple[str, list[Any]]]:
    """Each file's collection (or `parked`) and records, of a repository in our layout."""
    for path, data in _files(repository, commit, but={"_control", "frames", "stream_deltas"}):
        _, _, inside = path.partition("/")
        name, _, rest = inside.partition("/")
        if name == "parked.jsonl":
            yield "parked", [one["record"] for one in _lines(data)]
        elif rest and name in COLLECTIONS:
            value = _lines(data) if path.endswith(".jsonl") else json.loads(data)
            yield name, value if isinstance(value, list) else [value]
        elif name.removesuffix(".json") in COLLECTIONS and not rest:
            name = name.removesuffix(".json")
            value = json.loads(data)
            key = {"channels": "slug"}.get(name)
            yield name, [{key: slug, **one} for slug, one in value.items()] if key else [value]


def of_plain(repository: Path, commit: str) -> Contents:
    """Of a repository in the plain layout."""
    records: dict[str, Summed] = {name: Summed() for name in (*COLLECTIONS, "parked")}
    for path, data in _files(repository, commit):
        name = path.partition("/")[2].removesuffix(".json")
        value = json.loads(data)
        if name == "souls":
            value = [soul for souls in value.values() for soul in souls]
        elif name == "stats":
            value = [value]
        records[name].add(value.values() if isinstance(value, dict) else value)
    return {name: one.result() for name, one in records.items()}


class Summed:
    """A digest of records in any order: the sum of their digests."""

    def __init__(self) -> None:
        self._count, self._sum = 0, 0

    def add(self, records: Iterable[Any]) -> None:
        for record in records:
            spelled = json.dumps(record, sort_keys=True).encode()
            self._count += 1
            self._sum += int.from_bytes(sha256(spelled).digest(), "big")

    def result(self) -> dict[str, Any]:
        return {"records": self._count, "digest": f"{self._sum % 2**256:064x}"}


def _lines(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def _files(repository: Path, commit: str, but: Container[str] = ()) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of each file in the state folder, without those top names in `but`."""
    git = ["git", "-C", str(repository)]
    listed = subprocess.run([*git, "ls-tree", "--name-only", f"{commit}:state"], check=True, stdout=subprocess.PIPE)
    paths = [f"state/{name}" for name in listed.stdout.decode().split("\n")[:-1] if name not in but]
    command = [*git, "archive", "--format=tar", commit, *paths]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as archive,
    ):
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name, file.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
