"""Pure. Every letter that a merge writes: what happened, why, what to do now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from merge_bot.findings import Problem, Reason
from merge_bot.messages import listing
from merge_bot.wording import counted, named, printable

OUT_OF_RANGE = "the total would be a number that JSON readers cannot keep exactly"
_MANY = 20
_SUBJECT = 100


class Change(Protocol):
    """Who last changed a path, and when."""

    @property
    def author(self) -> str: ...
    @property
    def commit(self) -> str: ...
    @property
    def date(self) -> str: ...


def problems_in(what: str, problems: Iterable[Problem]) -> str:
    return f"{what}:\n{listing(problems)}"


# --- state that cannot be read


def unreadable_state(problems: Iterable[Problem]) -> str:
    return (
        f"The state cannot be read, so nothing was merged and nothing was written.\n{listing(problems)}\n"
        "The file was damaged by something other than the merge. Restore it from the last good commit\n"
        "(git log -- FILE, then git checkout COMMIT -- FILE), commit that, and merge again. The pending deltas wait."
    )


def unreadable_lines(path: str, line: int, why: str) -> str:
    problem = Problem(path, line, "", Reason.NOT_JSON, f"Not a line of JSON: {why}.")
    return unreadable_state([problem])


def wrong_shape(path: str, wanted: str, pointer: str = "") -> str:
    problem = Problem(path, 0, pointer, Reason.SCHEMA_VIOLATION, f"Expected {wanted} here.")
    return unreadable_state([problem])


def key_file_disagrees(path: str, records: int, hashes: int) -> str:
    message = f"The segment has {counted(records, 'record')}, its key file {counted(hashes, 'key')}."
    return unreadable_state([Problem(path, 0, "", Reason.SCHEMA_VIOLATION, message)])


def keys_of_nothing(path: str, segment: str) -> str:
    message = f"The key file names segment {printable(segment)}, which is not there."
    return unreadable_state([Problem(path, 0, "", Reason.SCHEMA_VIOLATION, message)])


def keys_twice(path: str, segment: str, other: str) -> str:
    message = f"The key file covers segment {printable(segment)}, which {printable(other)} covers already."
    return unreadable_state([Problem(path, 0, "", Reason.SCHEMA_VIOLATION, message)])


def missing_manifest(path: str, frame: int) -> str:
    message = f"The manifest of frame {frame} is missing, though the clock names it."
    return unreadable_state([Problem(path, 0, "", Reason.SCHEMA_VIOLATION, message)])


def manifest_changed(path: str, expected: str) -> str:
    message = f"The manifest is not the one that the clock names (SHA-256 {expected})."
    return unreadable_state([Problem(path, 0, "", Reason.SCHEMA_VIOLATION, message)])


def manifest_misshapen(path: str, frame: int, problem: tuple[str, str]) -> str:
    """`problem` is a JSON pointer and what is wrong there; no words where it is another frame's manifest."""
    pointer, words = problem
    message = words or f"This is not the manifest of frame {frame}."
    return unreadable_state([Problem(path, 0, pointer, Reason.SCHEMA_VIOLATION, message)])


def newer_rules(path: str, found: int, known: int) -> str:
    return (
        f"{printable(path)} was written by merge rules version {found}; this version of Dream Catcher knows version "
        f"{known}. Nothing was merged and nothing was written. Update Dream Catcher, and run it again."
    )


def foreign_edit(
    changed: Sequence[tuple[str, str]],
    who: Mapping[str, Change | None],
    records: Sequence[str],
    landed: str | None,
    frame: int,
    why: str = "",
) -> str:
    """`changed` lists (status letter, path) since the commit in which the newest frame landed, `records` what that
    means; `why` says, in whole lines, why the settings' way to handle it cannot be gone."""
    words = {"A": "added", "D": "removed", "M": "changed", "T": "changed"}
    lines = []
    for status, path in changed[:_MANY]:
        by = who.get(path)
        hand = f", by {printable(by.author)} in {by.commit[:10]} on {by.date}" if by else ""
        lines.append(f"  {printable(path)}: {words.get(status[:1], 'changed')}{hand}")
    if len(changed) > _MANY:
        lines.append(f"  and {len(changed) - _MANY:,} more")
    if not lines:
        lines.append(f"  the state is not what frame {frame}'s manifest names, and no later commit explains it")
    lines += [f"    {one}" for one in records]
    restore = f"git checkout {landed} -- PATH" if landed else "restore the state that the manifest names"
    return (
        "The state was changed by another hand, so nothing was merged and nothing was written.\n"
        + "\n".join(lines)
        + (f"\n{why}" if why else "")
        + f"\nOnly the merge writes these files. To undo the change: {restore}, commit, and merge again\n"
        "(git rm PATH for an added file). To make it, write it as a delta. The pending deltas wait.\n"
        "The settings can have such changes taken in (foreign-edits: adopt) or undone and kept (foreign-edits: revert)."
    )


# --- guards


def would_shrink(path: str, before: int, after: int) -> str:
    return (
        f"{printable(path)} would go from {before:,} records to {after:,}. The merge only adds, so this is a mistake "
        "of ours or of the file. Nothing was written. Please report it, with the frame's deltas."
    )


def grew_wrongly(collection: str, grown: int, count: int) -> str:
    return (
        f"Collection {collection} would grow by {grown:,} records, but {count:,} operations were applied to it. "
        "Nothing was written. Please report it, with the frame's deltas."
    )


def clock_went_back(before: int, now: int, by: Change) -> str:
    return (
        f"The clock has gone back from frame {before} to frame {now}, by {printable(by.author)} in {by.commit[:10]} on "
        f"{by.date}, so nothing was merged and nothing was written.\nFrames only go forward: a frame number would be "
        "used twice, and receipts that workers have read would no longer hold. To have an earlier state back: undo "
        f"that commit (git revert {by.commit[:10]}), and then\n`dreamcatcher rollback N`, which makes it the newest "
        "frame."
    )


def no_history(by: Change, frame: int) -> str:
    return (
        f"Commit {by.commit[:10]}, by {printable(by.author)} on {by.date}, brings frame {frame} but has nothing before "
        "it, as if the branch began there; so nothing was merged and nothing was written.\nSuch a commit is made from "
        "a shallow or an empty clone, and cuts off the history in which deltas and frames are kept. Put the branch "
        "back to the commit that it was at (the reflog, or another clone, has it), and merge again."
    )


def process_ended() -> str:
    return (
        "A process that took a share of the work was ended from outside, most likely for want of memory. Nothing was "
        "changed; run the command again."
    )


def contended(ref: str, attempts: int) -> str:
    return (
        f"{printable(ref)} moved {counted(attempts, 'time')} while the merge was being made, so nothing was committed. "
        "Nothing is lost: run the merge again."
    )


def local_edits(paths: Sequence[str]) -> str:
    lines = "\n".join(f"  {printable(path)}" for path in paths[:_MANY])
    more = f"\n  and {len(paths) - _MANY:,} more" if len(paths) > _MANY else ""
    return (
        f"Uncommitted edits in the work tree stand where the merge writes, so nothing was merged:\n{lines}{more}\n"
        "Put them aside (git stash), or throw them away (git checkout -- PATH), and merge again."
    )


# --- the repository


def no_genesis(path: str) -> str:
    return f"There is no {path} in this branch, so there is no frame to merge into. Run `dreamcatcher init` first."


def already_initialised(path: str) -> str:
    return f"There is a {path} in this branch already, so there is nothing to begin. `dreamcatcher status` shows it."


def no_commit(ref: str) -> str:
    return f"{printable(ref)} has no commit yet. Run `dreamcatcher init` to begin."


def detached_head() -> str:
    return "No branch is checked out here (detached HEAD). Check one out (git switch main), or name it with --branch."


def no_schemas(folder: str) -> str:
    return (
        f"There is no schema in {folder}/ of this branch, so there is nothing to merge into. Add "
        f"{folder}/<collection>.schema.json (`dreamcatcher init` brings examples) and commit it."
    )


# --- admission


def lease_ended(name: str, epoch: int) -> str:
    return (
        f"{named(name)} holds no lease: it was released, or reclaimed after a silence (epoch {epoch} is next), so what "
        f"it writes would be fenced. Claim it (`dreamcatcher worker claim {name}`, or Worker.claim()), and write once "
        "a merge has granted that."
    )


def clock_ahead(path: str, utc: str, seconds: float) -> Problem:
    message = f"The delta's utc {utc} lies {seconds:,.0f} seconds in the future of the merge's clock."
    remedy = "Set the worker's clock (or take utc from it, not from a model), and write the delta again."
    return Problem(path, 0, "/utc", Reason.CLOCK_AHEAD, message, remedy)


def differs_in_case(path: str, stream_id: str, right: str) -> Problem:
    message = f"The stream_id {named(stream_id)} differs only in case from {named(right)}, which wrote before."
    remedy = f"Write it as {named(right)}, or give this worker a name of its own."
    return Problem(path, 0, "/stream_id", Reason.STREAM_ID_DIFFERS_IN_CASE, message, remedy)


def slot_taken(path: str, frame: int, stream_id: str, run: str | None, reason: Reason) -> Problem:
    whose = f"{named(stream_id)} in frame {frame}" + (f", run {named(run)}" if run else "")
    if reason == Reason.SLOT_ALREADY_MERGED:
        message = f"A delta of {whose} was already merged; a second one could count things twice."
    else:
        message = f"There are several different deltas of {whose}, and nothing says that one replaces the other."
    remedy = (
        "If this is other work, send it in the open frame under a run of its own (_meta.run); "
        "if it is a retry, give both the same _meta.run, and the newer one counts."
    )
    return Problem(path, 0, "", reason, message, remedy)


def already_settled(outcome: str, frame: int) -> str:
    return f"these bytes were settled in frame {frame}: {outcome}"


def copy_of(path: str) -> str:
    return f"the same bytes as {printable(path)}"


def superseded_by(digest: str) -> str:
    return f"delta {digest} of the same slot counts"


def counters_in_doubt(duplicates: int, counters: Iterable[str]) -> str:
    return (
        f"{duplicates} record(s) were not added, but the increments to {', '.join(sorted(counters))} were: "
        "these counters may now say more than there is"
    )


def not_published(letter: str, seconds: float) -> str:
    return (
        f"{letter}\nThe frame was not pushed within {seconds:g} seconds. Nothing is lost: run the merge again, which "
        "also finds out whether it arrived after all."
    )


def base_replaced(branch: str, before: str, after: str) -> str:
    return (
        f"Branch {printable(branch)} was replaced during the merge: commit {before[:12]} is no longer in it. The merge "
        f"was made anew on {after[:12]}. Frames that are gone with it are merged again from the delta branches; deltas "
        "that lay in the inbox alone are as that commit has them."
    )


# --- delta branches


def odd_branch(name: str) -> str:
    return (
        f"The branch deltas/{printable(name)} was left alone: what follows `deltas/` must be a worker's name (letters, "
        "digits, - and _, at most 64, and no slash). Rename it, and its deltas count."
    )


def no_delta_branch(worker: str, commits: int, files: int) -> str:
    return (
        f"The branch deltas/{worker} was left alone: it brings more than {commits:,} new commits or {files:,} files, "
        "so it looks like another branch pushed there by mistake. Delete it, and submit its worker's deltas anew."
    )


def branch_rewound(worker: str) -> str:
    return (
        f"The branch deltas/{worker} was rewound or replaced: what was merged from it before is no longer in it. "
        "Nothing of that is lost, and what came with the change is quarantined. A ruleset for deltas/** that blocks "
        "force pushes and deletions prevents this."
    )


def branch_cut_off(worker: str) -> str:
    return (
        f"The history of the branch deltas/{worker} is needed back to what was merged last, but this clone does not "
        "reach there and the remote has no more. Start from a fresh clone; if the remote itself is shallow, complete "
        "it (git fetch --unshallow there)."
    )


# --- commits


def commit_message(frame: int, deltas: int, applied: Mapping[str, int], consumed: int, digest: str) -> str:
    """Subject and trailers of a merge commit: numbers of ours and names from the schemas, no word of a worker's."""
    parts = [_count(deltas, "delta"), *(f"{count:,} {name}" for name, count in sorted(applied.items()) if count)]
    subject = f"merge frame {frame}: {parts[0]}"
    for at, part in enumerate(parts[1:], start=1):
        if len(subject) + len(part) > _SUBJECT:
            subject += f" and {len(parts) - at} more"
            break
        subject += f", {part}"
    trailers = f"Dreamcatcher-Frame: {frame}\nDreamcatcher-Deltas: {consumed}\nDreamcatcher-Manifest: {digest}"
    return f"{subject}\n\n{trailers}\n"


def genesis_message(frame: int) -> str:
    return f"dreamcatcher init: frame {frame}, the genesis\n\nDreamcatcher-Frame: {frame}\n"


def inbox_message(files: int) -> str:
    """Subject of the commit that takes new inbox files in. File names are strangers' text, so only their number."""
    return f"deltas: {_count(files, 'file')}\n"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
