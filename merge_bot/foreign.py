"""Edits by other hands, settled as the settings say: taken in, or undone, each as a frame of its own.

Like every frame it is a function of its base commit, so it can be made again. The edit never vanishes: what is undone
is kept in the frame's quarantine, and both ways leave a receipt that says who changed what, and when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from merge_bot import foreign_letters as letters
from merge_bot import letters as merge_letters
from merge_bot.canonical import digest, document, spelled
from merge_bot.clone import Clone
from merge_bot.collect import Base, foreign_edit
from merge_bot.commit_files import CommitFiles
from merge_bot.delta import format_utc
from merge_bot.edits import Edit, Edits, archive_edits, edits_since, find_edits
from merge_bot.errors import Contended, DreamcatcherError, GuardError, RepositoryError
from merge_bot.findings import Outcome, Reason, Receipt, Recover
from merge_bot.frame import ATTEMPTS, Result
from merge_bot.git import Repository
from merge_bot.history import History
from merge_bot.intake import adopt
from merge_bot.manifest import ADOPT, REVERT, Manifest
from merge_bot.publish.base import Publisher
from merge_bot.receipts import receipts_bytes
from merge_bot.replay import remade
from merge_bot.snapshot import Frame, digests, state_tree_after
from merge_bot.state import Meta
from merge_bot.transports.base import Changes
from merge_bot.tree import FILE, Entry

if TYPE_CHECKING:
    from merge_bot.run import Place


def settle_edits(place: Place, publisher: Publisher, now: datetime, way: str, *, once: bool = False) -> list[Result]:
    """Take in (`adopt`) or undo (`revert`) what other hands changed; the frames that this took, mostly none.

    `once`: one frame is all that may go out. Raises ForeignEdit where it cannot be done, Contended.
    """
    done: list[Result] = []
    for attempt in range(ATTEMPTS):
        base = place.unchecked(anew=attempt > 0)
        with suppress(RepositoryError):  # a squash may have left it behind; what was there before is made anew then
            place.repository.deepen_until(base.manifest.base, tip=base.commit)
        history = History(Clone(place.repository, place.read_from, place.settings_path))
        found = edits_of(history, base)
        if found is None:
            return done
        frame = settled_frame(history.repository, base, found, way, now)
        result = Result(publisher.publish(frame), base.meta.frame, frame)
        if result.published.operation == "contended":
            continue
        done.append(result)
        if once:
            return done
    raise Contended(merge_letters.contended("The branch", ATTEMPTS))


def edits_of(history: History, base: Base) -> Edits | None:
    """What other hands changed at `base`, in the state or in merged frames; None if nothing."""
    repository, files, paths = history.repository, base.files, base.paths
    found = find_edits(repository, files, paths, base.manifest)
    if found is not None and found.before is None:
        proven = _made_again(history, base)
        if proven is not None:
            found = edits_since(repository, proven, files, paths, base.manifest, found.landed or proven.commit)
    landed = next((one.commit for _, one in repository.landings(base.commit, [paths.meta], 1)), None)
    archive = archive_edits(repository, files, paths, landed)
    if found is None or archive is None:
        return found or archive
    return Edits(found.landed, found.before, [*found.files, *archive.files])


def _made_again(history: History, base: Base) -> CommitFiles | None:
    """The files that the newest manifest proves, where no commit of the branch has them."""
    try:
        return CommitFiles(history.repository, remade(history, base.manifest.frame))
    except DreamcatcherError:
        return None


def again(history: History, base: Base, manifest: Manifest, now: datetime) -> Frame | None:
    """The frame of a manifest that settled edits, made once more; None if there is nothing to settle."""
    found = edits_of(history, base)
    return settled_frame(history.repository, base, found, manifest.kind, now) if found else None


def settled_frame(repository: Repository, base: Base, edits: Edits, way: str, now: datetime) -> Frame:
    """The frame that takes the edits in (`adopt`) or undoes them (`revert`). Raises ForeignEdit where it cannot."""
    if edits.before is None:
        raise foreign_edit(base, edits, letters.cannot(way, [letters.nobody_knows()]))
    number, counts = base.meta.frame, dict(base.manifest.counts)
    changes: Changes = {}
    kept: Changes = {}
    if way == ADOPT:
        adoption = adopt(base, edits, now)
        if adoption.problems:
            raise foreign_edit(base, edits, letters.cannot(way, adoption.problems))
        changes.update(adoption.marks)
        for name, grown in adoption.growth.items():
            counts[name] = counts.get(name, 0) + grown
    rows: list[dict[str, Any]] = []
    receipts = []
    for edit in sorted(edits.files, key=lambda one: one.path):
        row, receipt = _told(repository, base, edit, way)
        if way == REVERT:
            changes[edit.path] = edits.before.read(edit.path) if edit.before else None
            if "file" in row and edit.after:
                kept[row["file"]] = Entry(FILE, edit.after.id)
        rows.append(row)
        receipts.append(receipt)
    receipts.sort(key=lambda one: (one.digest, one.source, one.outcome))
    changes[base.paths.receipts(number)] = receipts_bytes(receipts)
    return _frame(repository, base, way, now, changes, kept, rows, receipts, counts, edits.files)


def _told(repository: Repository, base: Base, edit: Edit, way: str) -> tuple[dict[str, Any], Receipt]:
    """An edit's row in the manifest, and its receipt."""
    is_blob = edit.after is not None and not edit.after.is_tree and edit.after.mode != "160000"
    content = repository.digest_blob(edit.after.id) if edit.after and is_blob else digest(b"")
    outcome = Outcome.APPLIED if way == ADOPT else Outcome.QUARANTINED
    path, author = spelled(edit.path), spelled(edit.author)
    row: dict[str, Any] = {
        "path": path, "before": edit.before and edit.before.id, "after": edit.after and edit.after.id,
        "delta": content, "outcome": outcome.value, "commit": edit.commit, "author": author, "date": edit.date,
    }  # fmt: skip
    receipt = Receipt(content, path, outcome, reason=Reason.FOREIGN_EDIT)
    if way == ADOPT:
        receipt.notes.append(letters.adopted_note(author, edit.commit, edit.date))
        return row, receipt
    receipt.recover = Recover.RESUBMIT
    receipt.problems = (letters.reverted(path, author, edit.commit, edit.date, base.meta.frame),)
    if is_blob:
        name = quote(edit.path.removeprefix(f"{base.paths.state}/").encode("utf-8", "surrogateescape"), safe="")[-80:]
        row["file"] = f"{base.paths.frame(base.meta.frame)}/quarantine/{content[:32]}.{name}"
    return row, receipt


def _frame(
    repository: Repository,
    base: Base,
    way: str,
    now: datetime,
    changes: Changes,
    kept: Changes,
    rows: Sequence[dict[str, Any]],
    receipts: list[Receipt],
    counts: dict[str, int],
    edits: Sequence[Edit],
) -> Frame:
    paths, number = base.paths, base.meta.frame
    tree, adopted = state_tree_after(base, changes)
    if way == ADOPT:
        adopted |= {one.path: one.after.id for one in edits if one.path in adopted and one.after}
    elif (tree, adopted) != (base.manifest.state_tree, dict(base.manifest.adopted)):
        raise GuardError(letters.not_undone(base.manifest.frame))
    manifest = Manifest(
        frame=number,
        kind=way,
        time=format_utc(now),
        base=base.commit,
        state_tree=tree,
        counts=counts,
        files=digests(changes, {}),
        settings=base.settings_id,
        schemas=base.schema_ids,
        adopted=adopted,
        previous=base.meta.manifest,
        landed=next((one.commit for _, one in repository.landings(base.commit, [paths.meta], 1)), None),
        kept_from=base.manifest.kept_from,
        edits=rows,
        rolled_back=base.manifest.newest_rollback,
    )
    proof = manifest.as_bytes()
    meta = Meta(number + 1, manifest.time, digest(proof))
    everything: Changes = {**changes, **kept, paths.manifest(number): proof, paths.meta: document(meta.as_json())}
    message = letters.commit_message(way, number, len(rows), meta.manifest)
    return Frame(number, base.commit, now, everything, manifest, message, receipts, Counter(), [], [])
