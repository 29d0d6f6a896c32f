"""Pure. What the command line says about what lies around a run: what there is, why it matters, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from merge_bot.messages import meant
from merge_bot.page import MANY
from merge_bot.wording import age, counted, listed, named, printable, quoted

if TYPE_CHECKING:
    from merge_bot.quarantine import Case


def not_checked_out(branch: str) -> str:
    return (
        f"Branch {printable(branch)} is not checked out here, so only committed deltas count; "
        "what lies uncommitted in the work tree is left alone."
    )


def uncommitted_rules(paths: Sequence[str]) -> str:
    return (
        f"{listed(paths)} {'differs' if len(paths) == 1 else 'differ'} in the work tree from what is committed. "
        "A merge reads the committed rules alone: commit yours, and the next one uses them."
    )


def odd_file(path: str, what: str) -> str:
    return f"{printable(path)} is {what}, not a delta file, so it was not taken."


def being_written(path: str) -> str:
    return f"{printable(path)} was being written while the merge looked, so it comes with the next one."


def odd_files(odd: Mapping[str, str], changing: str) -> list[str]:
    return [being_written(path) if what == changing else odd_file(path, what) for path, what in sorted(odd.items())]


def checked_out_elsewhere(branch: str, place: str) -> str:
    return (
        f"Branch {printable(branch)} is checked out in another work tree, {printable(place)}, whose files would not "
        f"follow. Run this there: --repo {printable(place)}"
    )


def on_branches(commits: Mapping[str, int]) -> str:
    """`commits` on delta branches that this clone has, by worker, and that no merge took in."""
    count = sum(commits.values())
    return (
        f"{counted(count, 'delta')} {'waits' if count == 1 else 'wait'} on delta branches, as of the last fetch "
        f"({listed(list(commits))}). They are merged where they were pushed: `dreamcatcher merge --remote NAME`."
    )


def arrived_meanwhile(count: int) -> str:
    return f"{counted(count, 'delta')} arrived meanwhile and will come with the next merge."


# --- init

EXAMPLE_COMMAND = "dreamcatcher schema delta --example | dreamcatcher write --worker w1"

KINDS = {
    ".github/dreamcatcher.yml": "settings: each one explained, none set",
    ".github/workflows/dreamcatcher.yml": "workflow: merges when deltas are pushed",
    ".gitattributes": "keeps line ends, marks generated files",
    ".gitignore": "keeps the inbox, where deltas wait",
    "_meta.json": "the clock: which frame is open",
    "manifest.json": "the genesis: what the first frame builds on",
}
"""What `init` writes, by file name or by path."""

SETTINGS_FOR_DELTAS = "settings: each one explained; set is what the adopted deltas need"


def made_repository(folder: str, *, dry_run: bool) -> str:
    made = "would be made" if dry_run else "was made"
    return f"{printable(folder)} was in no git repository; one {made} there."


def in_a_subfolder(asked: str, root: str) -> str:
    return f"{printable(asked)} is a folder of the repository {printable(root)}, which this is about."


def bare(folder: str) -> str:
    return f"{printable(folder)} is a bare repository: commit deltas in a clone of it, and push them."


def adopt_in_no_repository(folder: str) -> str:
    return (
        f"{printable(folder)} lies in no git repository, so nothing was written. Only what is committed is adopted:\n"
        "git init at the folder that is to be the repository, git add, git commit, and run this again."
    )


def uncommitted_state(paths: Sequence[str]) -> str:
    lines = "\n".join(f"  {printable(path)}" for path in paths[:MANY])
    more = f"\n  and {len(paths) - MANY:,} more" if len(paths) > MANY else ""
    return (
        f"There is state that is not committed, so nothing was written:\n{lines}{more}\n"
        "The first frame builds on what is committed. Commit these files (git init where there is no repository yet,\n"
        "git add, git commit), and run init again."
    )


# --- action

CANCELLED = "The step was cancelled. The branch is where it was, or at the merge commit, whole; nothing is lost."


UNTOLD = "The merge came to its end, but not all of it could be told here"
BASE_INPUT = "the action's input `base`"


def not_handed_back(error: OSError) -> str:
    return (
        f"Some files of the workspace still belong to this step's user: {printable(str(error))}. A later step may not "
        "be able to change them. The merge itself is not concerned."
    )


def no_such_branch(branch: str) -> str:
    return (
        f"There is no branch {printable(branch)} in this checkout, so there is nothing to merge into. Check it out "
        f"(actions/checkout with `ref: {printable(branch)}`), or correct the action's input `base`."
    )


def waits_for_workers(frame: int, missing: Sequence[str], seconds: int) -> str:
    left = counted(seconds, "second")
    return f"Frame {frame} stays open for at most {left} more: {listed(missing)} may still deliver."


def on_invalid(count: int) -> str:
    was = "delta was" if count == 1 else "deltas were"
    return (
        f"{count:,} {was} quarantined, and the input `on-invalid` is `fail`, so this step fails. The frame itself has "
        "landed, without them; their letters are above and in the summary."
    )


# --- status


def not_initialised(branch: str) -> str:
    return f"No frame is open on {printable(branch)}: there is no Dream Catcher here yet. Run `dreamcatcher init`."


def overwritten(count: int) -> str:
    return f"{counted(count, 'older version')} that a newer file took the place of; the merge reads them from history."


def oldest(time: str, seconds: int, *, too_long: bool) -> str:
    why = " That is long: does the workflow run, and does it end well?" if too_long else ""
    return f"The oldest was committed {time}, {age(seconds)} ago.{why}"


def stale_window(frame: int, seconds: int, behind: int) -> str:
    """What readers hold, and what they do not see yet."""
    waits = f"{counted(behind, 'delta')} {'waits' if behind == 1 else 'wait'}" if behind else "no delta waits"
    return f"Readers hold frame {frame}, as of {age(seconds)} ago; {waits} behind it."


# --- schema

EXAMPLE_SCHEMAS = "There are no schemas here yet; these are the example world's, which `dreamcatcher init` brings."

LAWS = {
    "append": "records are added, one under each key; the first stays, another content under its key is a conflict",
    "observe": "every record is kept, in order",
    "sum": "increments are added to the totals",
    "union": "members are added, each of them once",
    "last-writer-wins": "each field holds what was written latest; two writers in one frame are a conflict",
    "sections": "one Markdown file; each section holds its owner's latest text",
}


def schemas_of(root: str, folder: str) -> str:
    return f"These are the schemas in {printable(root)}/{printable(folder)}."


def no_such_collection(name: str, near: str | None, known: Sequence[str]) -> str:
    return f"There is no collection {quoted(name)}{meant(near)} There are {listed(known)}."


# --- check

NO_RULES = "The deltas and the state: without sound schemas and settings there is nothing to hold them to."
NO_FRAME = "The state: no frame is open yet (`dreamcatcher init` opens the first)."


def unreadable(path: str, why: str) -> str:
    return f"{printable(path)} cannot be read: {why}. Nothing was checked."


def frame_not_open(frame: int, opened: int) -> tuple[str, str]:
    return (
        f"Frame {frame} is not open yet; frame {opened} is. The delta would be held until then.",
        f"If it is for now, write {opened}.",
    )


def problems_found(count: int, files: int) -> str:
    return f"{counted(count, 'problem')} in {counted(files, 'file')}."


def in_order(counts: Mapping[str, int]) -> str:
    parts = [counted(counts[name], name.removesuffix("s")) for name in ("deltas", "schemas") if name in counts]
    if "files" in counts:
        parts.append(f"{counted(counts['records'], 'record')} of the state in {counted(counts['files'], 'file')}")
    return f"Everything is in order: {', '.join(parts)}."


def would_help(schema: str, name: str, keyword: str, values: Sequence[str]) -> str:
    said = ", ".join(quoted(one) for one in values)
    return f'"{keyword}": [{said}] at the property {named(name)} of {printable(schema)}'


def fix_with(path: str) -> str:
    if path == "-":
        return "Write it to a file, and dreamcatcher check --fix FILE writes the repaired one beside it."
    return f"Or repair the delta: dreamcatcher check --fix {printable(path)}"


def fix_written(path: str) -> str:
    return f"Repaired in {printable(path)}; this one stays as it is."


def fix_in_the_way(path: str) -> str:
    return f"{printable(path)} is there already and says something else, so nothing was written over it. Move it away."


def no_fix(path: str, why: str) -> str:
    return f"{printable(path)} cannot be written: {why}."


# --- write

SLOT_OPTIONS = "On the command line these are --run NAME and --replace."


def unreadable_operations(path: str, why: str) -> str:
    return f"{printable(path)} cannot be read: {why}. Nothing was written."


def no_inbox(path: str) -> str:
    return f"{printable(path)} is a bare repository and has no inbox to write to. Write in a clone, commit and push."


# --- asking for decisions


def asked(path: str, stream_id: str, *, submitted: bool) -> str:
    where = f"It is on its way as {printable(path)}" if submitted else f"It lies in the inbox: {printable(path)}"
    return f"{where}.\nThe next merge decides; then `dreamcatcher receipts --worker {printable(stream_id)}` says how."


def no_operator(as_whom: str | None, known: Sequence[str]) -> str:
    who = f"{quoted(as_whom)} is no operator: " if as_whom is not None else ""
    names = f"the settings name {', '.join(known)}" if known else "the settings name none"
    return f"{who}{names}. Only operators may ask for this (operators: [ID] in .github/dreamcatcher.yml)."


def never_claimed(worker: str) -> str:
    return f"{quoted(worker)} never claimed a lease, so there is none to end. `dreamcatcher worker list` shows who did."


def asked_to(what: str, chosen: Sequence[Case]) -> str:
    names = ", ".join(one.digest[:12] for one in chosen[:MANY]) + (", …" if len(chosen) > MANY else "")
    return f"Asked to {what} {counted(len(chosen), 'delta')}: {names}."


def nothing_in_quarantine() -> str:
    return "Nothing like that waits in quarantine. `dreamcatcher quarantine list` shows what does."


def no_such_case(digest: str, several: Sequence[str]) -> str:
    if several:
        names = ", ".join(one[:16] for one in several[:MANY])
        return f"{quoted(digest)} may be any of {counted(len(several), 'delta')}: {names}. Give more of the SHA-256."
    return (
        f"No delta whose SHA-256 begins with {quoted(digest)} waits in quarantine, or it was decided already. "
        "`dreamcatcher quarantine list` shows what waits (--frames N looks further back)."
    )


def no_bytes_to_edit() -> str:
    return "The delta's bytes are no longer in the tree, so there is nothing to edit. Give a FILE."


def edited_nothing() -> str:
    return "Nothing was changed in the editor, so nothing was asked for."
