"""An account of every operation that was ever committed, from git's history alone: `accuse` says what is missing.

Nothing of the code under test is used here, only `git` and Python's own `json`. The rules are told a second time, as a
user reads them: what was handed in is in the state exactly once, or a receipt says why not and the bytes are kept.
It knows the collections of the example world, and the ways in which the soak writes to them.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

ENTERED = {"applied", "late"}
STAYED_OUT = {"quarantined", "fenced", "superseded", "fallback"}
CONDITION = {"not_as_expected", "written_since"}
KEYS = (
    "posts_created", "comments_added", "soul_updates", "follows_added",
    "channels_updated", "profile_updates", "stats_increments",
)  # fmt: skip
_NO_DELTAS = {".gitkeep", ".gitignore", ".gitattributes"}


@dataclass
class Fate:
    """What the receipts say of one delta: its own outcomes, and those of its operations by pointer, in frame order."""

    outcomes: list[tuple[int, str, str]] = field(default_factory=list)
    operations: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def entries(self) -> int:
        return sum(outcome in ENTERED for _, outcome, _ in self.outcomes)

    def last(self, pointer: str) -> tuple[str, str]:
        told = self.operations.get(pointer)
        return told[-1] if told else ("applied", "")


@dataclass
class Account:
    """What was found. `accusations` is empty if every operation is accounted for."""

    versions: int = 0
    deltas: int = 0
    operations: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    accusations: list[str] = field(default_factory=list)

    def accuse(self, what: str) -> None:
        self.accusations.append(what)


class History:
    """A bare or other repository, asked by plain git."""

    def __init__(self, place: Path, branch: str = "main") -> None:
        self.place, self.branch = place, branch

    def git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return subprocess.run(["git", *arguments], cwd=self.place, input=stdin, capture_output=True, check=True).stdout

    def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        wanted = sorted(set(ids))
        out, found, at = self.git("cat-file", "--batch", stdin="\n".join(wanted).encode() + b"\n"), {}, 0
        for one in wanted:
            head = out[at : (end := out.index(b"\n", at))].split()
            assert head[1] == b"blob", head
            found[one] = out[end + 1 : end + 1 + int(head[2])]
            at = end + 2 + int(head[2])
        return found

    def tree(self, folder: str) -> dict[str, str]:
        rows = self.git("ls-tree", "-r", "-z", self.branch, "--", folder).decode("utf-8", "surrogateescape").split("\0")
        return {path: about.split()[2] for about, _, path in (row.partition("\t") for row in rows[:-1])}

    def ever(self, ref: str, folder: str = ".") -> Iterator[tuple[str, str]]:
        """(path, blob) of every file that any commit of a ref brought into a folder."""
        log = ("log", "--root", "-m", "--full-history", "--raw", "--no-abbrev", "--no-renames", "-z", "--format=")
        rows = self.git(*log, ref, "--", folder).decode("utf-8", "surrogateescape").lstrip("\n").split("\0")
        for about, path in zip(rows[::2], rows[1::2], strict=False):
            new = about.split()[3]
            if set(new) != {"0"} and path.rpartition("/")[2] not in _NO_DELTAS:
                yield path, new


def accuse(place: Path, branch: str = "main") -> Account:
    """Everything that was ever committed to the inbox or a delta branch, held against the state of the branch."""
    history, account = History(place, branch), Account()
    refs = history.git("for-each-ref", "--format=%(refname)", "refs/heads/deltas/").decode().split()
    handed_in = set(history.ever(branch, "state/stream_deltas"))
    for ref in refs:
        handed_in |= {(f"{ref}:{path}", blob) for path, blob in history.ever(ref)}
    account.versions = len(handed_in)
    contents = history.blobs(blob for _, blob in handed_in)
    digests = {hashlib.sha256(data).hexdigest(): (blob, data) for blob, data in contents.items()}
    account.deltas = len(digests)
    state = _State(history)
    fates = state.fates(account)
    entered: dict[str, Any] = {}
    for digest, (blob, data) in digests.items():
        if _is_settled(digest, blob, fates.get(digest), state, account):
            entered[digest] = json.loads(data)
    for digest in fates.keys() - digests.keys():
        account.accuse(f"a receipt tells of {digest[:12]}, which nobody ever handed in")
    _Expected(entered, fates, state, account).compare()
    return account


def _is_settled(digest: str, blob: str, fate: Fate | None, state: _State, account: Account) -> bool:
    """Whether a delta entered. Accuses if nobody knows what became of it."""
    if fate is None:
        place = state.inbox.get(blob, "")
        named = re.match(r"frame-(\d+)-", place)
        if named and int(named[1]) > state.open_frame:
            account.outcomes["held"] += 1
        else:
            account.accuse(f"{digest[:12]} was handed in, and no receipt tells of it")
        return False
    if blob not in state.kept:
        account.accuse(f"the bytes of {digest[:12]} are not kept")
    if fate.entries > 1:
        account.accuse(f"{digest[:12]} entered {fate.entries} times: {fate.outcomes}")
    if fate.entries:
        account.outcomes["entered"] += 1
        return True
    told = [(outcome, reason) for _, outcome, reason in fate.outcomes if outcome in STAYED_OUT]
    if not told or not all(reason for _, reason in told):
        account.accuse(f"{digest[:12]} did not enter, and no receipt says why: {fate.outcomes}")
    else:
        account.outcomes[told[-1][0]] += 1
        account.reasons[told[-1][1]] += 1
    return False


class _State:
    """The newest commit: its records, what it keeps, and what waits."""

    def __init__(self, history: History) -> None:
        files = history.tree("state")
        bytes_of = history.blobs(files.values())
        self._files = {path: bytes_of[blob] for path, blob in files.items()}
        self.kept = {blob for path, blob in files.items() if re.search(r"/frames/.*/(deltas|quarantine)/", path)}
        self.inbox = {blob: path.rpartition("/")[2] for path, blob in files.items() if "/stream_deltas/" in path}
        self.open_frame: int = json.loads(self._files["state/_meta.json"])["frame"]
        self.parked = {(one["delta"], one["pointer"]) for one in self.lines("state/parked.jsonl")}

    def lines(self, prefix: str) -> list[dict[str, Any]]:
        found = sorted(path for path in self._files if path.startswith(prefix) and path.endswith(".jsonl"))
        return [json.loads(line) for path in found for line in self._files[path].splitlines()]

    def objects(self, folder: str) -> list[Any]:
        found = [path for path in sorted(self._files) if path.startswith(f"{folder}/") and path.endswith(".json")]
        return [json.loads(self._files[path]) for path in found]

    def value(self, path: str) -> Any:
        return json.loads(self._files[path])

    def fates(self, account: Account) -> dict[str, Fate]:
        fates: dict[str, Fate] = defaultdict(Fate)
        for path in sorted(one for one in self._files if one.endswith("/receipts.jsonl")):
            frame = int(path.split("/")[-2])
            for line in self._files[path].splitlines():
                one = json.loads(line)
                fate = fates[one["digest"]]
                if one["source"] != "parked":
                    fate.outcomes.append((frame, one["outcome"], one.get("reason", "")))
                    if one["outcome"] in ENTERED:
                        fate.counts.update(one.get("counts", {}))
                for told in one.get("operations", ()):
                    if not (told["outcome"] and told["reason"] and told["recover"]):
                        account.accuse(f"a receipt of frame {frame} gives no reason: {told}")
                    fate.operations[told.get("pointer", "")].append((told["outcome"], told["reason"]))
        return fates


@dataclass(frozen=True)
class _Op:
    digest: str
    pointer: str
    record: dict[str, Any]
    rank: tuple[datetime, str, str, int]


class _Expected:
    """What the state must be, computed from the bytes of the deltas that entered."""

    def __init__(self, entered: dict[str, Any], fates: dict[str, Fate], state: _State, account: Account) -> None:
        self.state, self.account = state, account
        self.in_state: dict[str, list[_Op]] = {key: [] for key in KEYS}
        self.refused: list[_Op] = []
        waiting = set(state.parked)
        for digest, delta in entered.items():
            fate, index = fates[digest], 0
            for key, value in delta.items():
                if key not in KEYS and key != "_control":
                    continue
                ones = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
                for at, record in ones:
                    rank = (datetime.fromisoformat(delta["utc"]), delta["stream_id"], digest, index)
                    index += 1
                    record = {at: record} if key == "stats_increments" else record
                    one = _Op(digest, f"/{key}/{at}", record, rank)
                    account.operations += 1
                    self._sort(key, one, fate.last(one.pointer), waiting)
            if sum(fate.counts.values()) != index:
                account.accuse(f"{digest[:12]} has {index} operations, its receipt counts {dict(fate.counts)}")
        for digest, pointer in waiting:
            account.accuse(f"{digest[:12]}{pointer} waits, but never entered")

    def _sort(self, key: str, one: _Op, last: tuple[str, str], waiting: set[tuple[str, str]]) -> None:
        outcome, reason = last
        if (one.digest, one.pointer) in waiting:
            waiting.discard((one.digest, one.pointer))
            self.account.ends["waits"] += 1
            if outcome != "parked":
                self.account.accuse(f"{one.digest[:12]}{one.pointer} waits, and its receipt says {outcome}")
        elif key == "_control":
            self.account.ends["decided"] += 1
        elif reason in CONDITION:
            self.account.ends["condition failed"] += 1
            self.refused.append(one)
        elif key not in ("profile_updates", "channels_updated") and outcome in ("duplicate", "conflict"):
            self.account.ends[outcome] += 1
            self.refused.append(one)
        else:
            self.account.ends["in the state"] += 1
            self.in_state[key].append(one)

    def compare(self) -> None:
        state, ops = self.state, self.in_state
        self._same("posts", ops["posts_created"], state.lines("state/posts/"))
        self._same("comments", ops["comments_added"], state.lines("state/comments/"))
        self._same("observations", ops["soul_updates"], state.lines("state/souls/"))
        self._losers_have_winners()
        pairs = {(one.record["agent_id"], one.record["follows"]) for one in ops["follows_added"]}
        there = Counter((one["agent_id"], one["follows"]) for who in state.objects("state/follows") for one in who)
        self._equal("follows", dict.fromkeys(pairs, 1), there)
        channels = dict.fromkeys((one.record["slug"] for one in ops["channels_updated"]), 1)
        self._equal("channels", channels, dict.fromkeys(state.value("state/channels.json"), 1))
        sums: Counter[str] = Counter()
        for one in ops["stats_increments"]:
            sums.update(one.record)
        self._equal("counters", {k: v for k, v in sums.items() if v}, {k: v for k, v in self._stats().items() if v})
        self._agents()

    def _stats(self) -> dict[str, int]:
        stats: dict[str, int] = self.state.value("state/stats.json")
        return stats

    def _same(self, what: str, ops: list[_Op], there: list[dict[str, Any]]) -> None:
        """As many of each record as were handed in, byte for byte the same values."""
        self._equal(what, Counter(_told(one.record) for one in ops), Counter(map(_told, there)))

    def _equal(self, what: str, right: Any, there: Any) -> None:
        for key in sorted({*right, *there}, key=str):
            if right.get(key, 0) != there.get(key, 0):
                self.account.accuse(f"{what}: {key} should be {right.get(key, 0)} and is {there.get(key, 0)}")

    def _losers_have_winners(self) -> None:
        """Who lost a key lost it to somebody: the key is in the state."""
        names = {"posts_created": "number", "comments_added": "id"}
        there = {(name, one.record[name]) for key, name in names.items() for one in self.in_state[key]}
        for one in self.refused:
            name = names.get(one.pointer.split("/")[1])
            if name and (name, one.record[name]) not in there:
                self.account.accuse(f"{one.digest[:12]}{one.pointer} lost its key to nobody")

    def _agents(self) -> None:
        """Sums and sets of all, the newest bio of each; the tally is one more for each who was told that it held."""
        by_agent: dict[str, list[_Op]] = defaultdict(list)
        for one in sorted(self.in_state["profile_updates"], key=lambda op: op.rank):
            by_agent[one.record["agent_id"]].append(one)
        there = {one["agent_id"]: one for one in self.state.objects("state/agents")}
        self._equal("agents", dict.fromkeys(by_agent, 1), dict.fromkeys(there, 1))
        for name in by_agent.keys() & there.keys():
            ops = [one.record for one in by_agent[name]]
            right: dict[str, Any] = {"karma": sum(one.get("karma", 0) for one in ops)}
            right["tags"] = sorted({tag for one in ops for tag in one.get("tags", ())})
            bios = [one["bio"] for one in ops if "bio" in one]
            if name == "tally":
                held = sorted(int(one["bio"]) for one in ops if "_expect" in one)
                right["bio"] = str(len(held))
                if held != list(range(1, len(held) + 1)):
                    self.account.accuse(f"{name}: those who were told that it held wrote {held}")
            elif bios:
                right["bio"] = bios[-1]
            found = there[name]
            is_ = {"karma": found.get("karma", 0), "tags": sorted(found.get("tags", ())), "bio": found.get("bio", 0)}
            self._equal(f"agent {name}", right, is_)


def _told(record: dict[str, Any]) -> str:
    return json.dumps(record, sort_keys=True)
