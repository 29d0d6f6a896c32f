"""The floor: what no merge can do without, done with the quickest means at hand, and deliberately nothing else.

It reads the deltas from git, parses them (orjson), holds them against the schemas (jsonschema-rs), hashes them, and
writes their records as canonical lines, a new segment for each collection, as one commit that consumes the inbox.
Nothing is looked up in the state: no duplicate is seen, no reference checked, no field folded, no counter added up.
There are no receipts, no archive and no ledger; a repeated key or a number that no double holds passes.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.benchmarks.stopwatch import Stopwatch

BRANCH = "refs/heads/main"
DELTAS = "refs/deltas/"
STATE, INBOX = "state", "state/stream_deltas"
ENDING = ".schema.json"
AT_ONCE = 500
"""Objects asked for before the answers are read: their names fit into a pipe."""


def main(folder: Path, watch: Stopwatch) -> dict[str, Any]:
    """Bring what is pending in the bare clone at `folder`, in the inbox or on fetched branches, into its branch."""
    gc.disable()
    with watch("imports"):
        import jsonschema_rs
        import orjson

        from tests.benchmarks.delta_schema import schema_of_delta
    digests: list[str] = []
    with closing(Objects(folder)) as objects:
        with watch("open"):
            names = [name for name in objects.tree(f"{BRANCH}:schemas") if name.endswith(ENDING)]
            schemas = objects.read([f"{BRANCH}:schemas/{name}" for name in names])
            operations = {
                operation: name.removesuffix(ENDING)
                for name, schema in zip(names, schemas, strict=True)
                for operation in json.loads(schema)["x-merge"]["delta"]
            }
            is_valid = jsonschema_rs.Draft202012Validator(schema_of_delta(schemas)).is_valid
            pending = _pending(folder, objects)
        lines: dict[str, list[bytes]] = {name: [] for name in operations.values()}
        for first in range(0, len(pending), AT_ONCE):
            with watch("collect"):
                files = objects.read(pending[first : first + AT_ONCE])
            with watch("validate"):
                deltas = [orjson.loads(data) for data in files]
                if not all(map(is_valid, deltas)):
                    raise SystemExit("A delta is not valid.")
                digests += [sha256(data).hexdigest() for data in files]
            with watch("merge"):
                for operation, name in operations.items():
                    lines[name].append(_lines([delta[operation] for delta in deltas if operation in delta]))
    with watch("publish"):
        path = f"{deltas[0]['frame'] // 1000:03d}/{deltas[0]['frame']:06d}.jsonl"
        _commit(
            folder, {f"{STATE}/{name}/{path}": b"".join(some) for name, some in lines.items() if any(some)}, digests
        )
    return watch.report()


def by_branches(url: str, watch: Stopwatch) -> dict[str, Any]:
    """Fetch a remote's branch and all delta branches, bring the deltas in, and push."""
    with tempfile.TemporaryDirectory(prefix="floor-") as folder:
        git = ("git", "-C", folder)
        with watch("fetch"):
            subprocess.run(["git", "init", "--quiet", "--bare", "--template=", folder], check=True)
            refs = (f"+{BRANCH}:{BRANCH}", f"+refs/heads/deltas/*:{DELTAS}*")
            subprocess.run([*git, "fetch", "--quiet", "--depth=1", url, *refs], check=True)
        report = main(Path(folder), watch)
        with watch("push"):
            subprocess.run([*git, "push", "--quiet", url, BRANCH], check=True)
    return report | watch.report()


def _pending(folder: Path, objects: Objects) -> list[str]:
    """The blobs of the deltas in the inbox, or of each fetched branch's newest commit."""
    command = ["git", "-C", str(folder), "for-each-ref", "--format=%(tree)", DELTAS]
    trees = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().split()
    if not trees:
        return [blob for name, blob in objects.tree(f"{BRANCH}:{INBOX}").items() if name.endswith(".json")]
    parts = (trees[first : first + AT_ONCE] for first in range(0, len(trees), AT_ONCE))
    return [blob for part in parts for tree in objects.read(part) for blob in _entries(tree).values()]


def _lines(values: Sequence[Any]) -> bytes:
    """One line a record, keys sorted. In a delta are lists of records, or one object of counters."""
    import orjson

    records: list[Any] = []
    for value in values:
        records += [value] if isinstance(value, dict) else value
    if not records:
        return b""
    # Compact JSON holds no line end of its own, so what separates records is told from any comma within them.
    spaced: list[Any] = [orjson.Fragment(b"\n")] * (2 * len(records) - 1)
    spaced[::2] = records
    return orjson.dumps(spaced, option=orjson.OPT_SORT_KEYS)[1:-1].replace(b",\n,", b"\n") + b"\n"


def _commit(folder: Path, files: Mapping[str, bytes], digests: Sequence[str]) -> None:
    """One commit onto the branch. Git's own writer, without deltas and with little compression, was the quickest."""
    message = f"merge {len(digests)} deltas\n\n{sha256(''.join(digests).encode()).hexdigest()}\n".encode()
    options = ("-c", "core.compression=1", "-c", "pack.compression=1", "-c", "fastimport.unpackLimit=1")
    command = ["git", "-C", str(folder), *options, "fast-import", "--quiet", "--depth=0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"commit %b\ncommitter Floor <floor@example.org> 0 +0000\n" % BRANCH.encode())
        process.stdin.write(b"data %d\n%bfrom %b^0\n" % (len(message), message, BRANCH.encode()))
        process.stdin.write(f"D {INBOX}\n".encode())
        for path, data in files.items():
            process.stdin.write(f"M 100644 inline {path}\ndata {len(data)}\n".encode())
            process.stdin.write(data)
            process.stdin.write(b"\n")
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


class Objects:
    """Git's objects, by one process that reads them all."""

    def __init__(self, folder: Path) -> None:
        command = ["git", "-C", str(folder), "cat-file", "--batch"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, names: Sequence[str]) -> list[bytes]:
        """The contents of at most `AT_ONCE` objects."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("".join(f"{name}\n" for name in names).encode())
        self._process.stdin.flush()
        found = []
        for _ in names:
            size = int(self._process.stdout.readline().split()[2])
            found.append(self._process.stdout.read(size + 1)[:-1])
        return found

    def tree(self, name: str) -> dict[str, str]:
        """The names in a tree, with the ids of what they stand for."""
        return _entries(self.read([name])[0])

    def close(self) -> None:
        self._process.communicate()


def _entries(tree: bytes) -> dict[str, str]:
    entries = {}
    while tree:
        head, _, rest = tree.partition(b"\0")
        entries[os.fsdecode(head.partition(b" ")[2])] = rest[:20].hex()
        tree = rest[20:]
    return entries


if __name__ == "__main__":
    place = sys.argv[1]
    print(json.dumps(by_branches(place, Stopwatch()) if ":" in place else main(Path(place), Stopwatch())))
