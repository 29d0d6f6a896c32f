"""Pure. What is said about the past: frames that are not there, clones that do not reach them, bytes that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from merge_bot.wording import listed, named, printable, quoted


def no_frames(ref: str, meta: str) -> str:
    return (
        f"There are no frames on {printable(ref)}: it has no {printable(meta)}. Run `dreamcatcher init` to begin, or "
        "name another branch with --branch."
    )


def unknown_frame(frame: int, oldest: int, newest: int) -> str:
    return f"There is no frame {frame}. The frames here go from {oldest} to {newest} (`dreamcatcher log` lists them)."


def upside_down(first: int, last: int) -> str:
    return f"The range is upside down: it begins at frame {first} and ends at frame {last}. Turn the two round."


def no_landing(frame: int, ref: str) -> str:
    return (
        f"Frame {frame} is in the chain, but no commit of {printable(ref)} holds the state right after it: the history "
        "was rewritten since, or several frames came in as one commit, and merging it once more did not give it back. "
        "The frames around it can be read."
    )


NO_COMMIT = "which came in with later ones as one commit (its state was merged once more, and proven)"


def manifest_missing(path: str, frame: int) -> str:
    return (
        f"{printable(path)}, the manifest of frame {frame}, is neither in the newest commit nor in the one in which it "
        "landed. `dreamcatcher verify` tells what else is wrong."
    )


def no_collection(name: str, known: Sequence[str]) -> str:
    return f"There is no collection {quoted(name)} in that frame. There are {listed(known)}."


def no_keys(collection: str) -> str:
    return (
        f"The records of {quoted(collection)} have no key, so there is nothing to split them by. Name a collection "
        "whose x-merge has a `key`."
    )


def no_record(collection: str, key: str, frame: int) -> str:
    return f"There is no {named(collection)} {quoted(key)} as of frame {frame}, and no frame up to then wrote one."


# --- replay

_KINDS = {
    "genesis": "is the genesis, which proves what was there before the first merge",
    "adopt": "takes a change by another hand into the chain",
    "rollback": "brings an older state back",
}


def nothing_merged(frame: int, kind: str) -> str:
    return f"Frame {frame} {_KINDS.get(kind, f'is of kind {kind}')}: there was nothing to merge."


def older_rules(frame: int, rules: int, known: int, *, agrees: bool) -> str:
    digests = "agrees with them all" if agrees else "does not agree with them all (`dreamcatcher verify` says more)"
    return (
        f"Frame {frame} was merged by merge rules version {rules}; these are version {known}, which may merge the same "
        f"deltas otherwise. So it was held against its digests instead, and {digests}. To replay it, use the version "
        "of Dream Catcher of its time."
    )


def no_base(frame: int, commit: str | None) -> str:
    return (
        f"Frame {frame} was merged onto commit {commit}, which this clone does not have, so it cannot be replayed. "
        "Fetch it (git fetch --unshallow, or git fetch origin COMMIT). If no remote has it, the history was rewritten, "
        "or the frame came in squashed; and no other commit has the same state, settings and schemas."
    )


def archive_missing(path: str, frame: int) -> str:
    return (
        f"{printable(path)}, a delta that frame {frame} consumed, is not in its archive, so the frame cannot be merged "
        "again. Somebody removed it: `git log -- FILE` tells who; restore it from the commit in which it landed."
    )


def not_at_hand(row: Mapping[str, Any], frame: int, remote: str, why: str) -> str:
    what = f"The delta {row['delta'][:12]}… of frame {frame}"
    if "commit" not in row:
        return f"{what}, which came as {printable(row['source'])}, is not in this clone, {nor_there(remote, why)}."
    branch = printable(f"deltas/{row['branch']}")
    return (
        f"{what} is kept on the branch {branch} alone (archive: branches), in commit {row['commit']}. It is not in "
        f"this clone, {nor_there(remote, why)}. Without it the frame cannot be merged once more, nor the delta be put "
        f"up again; the state is proven by digest all the same. {fetch_branches(remote)} {bring_back(branch)}"
    )


def nor_there(remote: str, why: str) -> str:
    there = printable(remote)
    return f"and {there} could not be asked ({_first_line(why)})" if why else f"nor on {there}"


def _first_line(text: str) -> str:
    return printable(text.splitlines()[0].rstrip(".:")[:300])


def fetch_branches(remote: str) -> str:
    return f"Fetch the delta branches: git fetch {printable(remote)} '+refs/heads/deltas/*:refs/dreamcatcher/deltas/*'."


def bring_back(branch: str) -> str:
    return f"If {branch} was cut back or deleted, push that commit to it again, from a clone that has it."


def archive_changed(path: str, frame: int, expected: str, found: str) -> str:
    return (
        f"{printable(path)}, a delta that frame {frame} consumed, is not what it was: the manifest names SHA-256\n"
        f"{expected}, the bytes are {found}. Somebody changed it: `git log -- FILE` tells who; "
        "restore it from the commit in which it landed."
    )


def no_field_path(path: str) -> str:
    return (
        f"{quoted(path)} does not name a field. Write COLLECTION/KEY/FIELD, agents/agent-42/banned say; of a sum "
        "COLLECTION/COUNTER, stats/total_posts say."
    )


def no_field(collection: str, key: str, name: str, known: Sequence[str]) -> str:
    there = f" Those that were: {listed(known)}." if known else ""
    return f"No frame wrote the field {named(name)} of {named(collection)} {quoted(key)}.{there}"


# --- preview


def branch_exists(name: str) -> str:
    return (
        f"There is a branch {printable(name)} already, and a preview overwrites nothing. Give another name, or, if it "
        "is an older preview's, throw it away first."
    )


def branch_impossible(name: str, why: str) -> str:
    return f"The branch {quoted(name)} could not be made, so nothing was kept. Is it a name that git takes?\n{why}"


def nothing_of(missing: Sequence[str], seen: Sequence[str]) -> str:
    waits = f"There are deltas of {listed(seen)}." if seen else "No delta waits at all."
    return f"There is nothing to leave out: no delta of {listed(missing, 'or')} waits. {waits}"


def how_to_throw_away(branch: str) -> list[str]:
    name = printable(branch)
    return [f"Kept as branch {name}; look at it: git diff HEAD...{name}", f"Throw it away: git branch -D {name}"]
