"""What `init` says: what it wrote, or would write, what it took in and what it kept; as a page and as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from merge_bot.cli import letters
from merge_bot.page import Item, Page, Table
from merge_bot.settings import SETTINGS_PATH
from merge_bot.wording import printable

if TYPE_CHECKING:
    from merge_bot.adoption.adopt import Adoption
    from merge_bot.genesis import Genesis


@dataclass(frozen=True, slots=True)
class Begun:
    """What was done, or without `commit` would be: `taken_in` were there uncommitted, `kept` were committed."""

    folder: str
    asked: str
    made: bool
    branch: str
    plan: Genesis
    taken_in: list[str]
    kept: list[str]
    has_work_tree: bool
    commit: str | None
    adoption: Adoption | None
    remarks: list[str]

    @property
    def written(self) -> list[str]:
        return sorted(self.plan.files.keys() - set(self.taken_in))


def as_data(done: Begun) -> dict[str, object]:
    return {
        "repository": done.folder,
        "created": done.made,
        "branch": done.branch,
        "dry_run": done.commit is None,
        "open_frame": done.plan.frame,
        "commit": done.commit,
        "written": done.written,
        "taken_in": done.taken_in,
        "kept": done.kept,
    } | _adoption_data(done)


def _adoption_data(done: Begun) -> dict[str, object]:
    if done.adoption is None:
        return {}
    from merge_bot.cli import adopting

    return {"adoption": adopting.as_data(done.adoption), "remarks": done.remarks}


def as_page(done: Begun) -> Page:
    where, frame = printable(done.folder), done.plan.frame
    if done.commit:
        page = Page(f"Frame {frame} is open in {where}.", tone="good")
    else:
        page = Page(f"Dry run, nothing was written. In {where} this would open frame {frame}.")
    if done.adoption is not None:
        from merge_bot.cli import adopting

        adopting.add_to(page, done.adoption)
    words = _words(done.plan)
    if done.adoption and (done.adoption.aliases or done.adoption.ignored):
        words[SETTINGS_PATH] = letters.SETTINGS_FOR_DELTAS
    page.add("Written" if done.commit else "Would be written", _table(done.written, words))
    kinds = {path: word.partition(":")[0] for path, word in words.items()}  # of theirs we know no more than that
    page.add("Yours, taken in as they are", _table(done.taken_in, kinds))
    page.add("Yours, kept as they are", _table(done.kept, kinds))
    page.add("Also", [Item(one) for one in _also(done)])
    if done.commit:
        page.closing += [
            f"Commit {done.commit} on {printable(done.branch)}.",
            "",
            f"Next, write a delta:  {letters.EXAMPLE_COMMAND}",
            "and merge it:         dreamcatcher merge",
        ]
    else:
        page.closing.append("To write it: the same command without --dry-run")
    return page


def _table(paths: list[str], words: Mapping[str, str]) -> list[Table]:
    rows = [(printable(path), words.get(path, "")) for path in paths]
    return [Table(("file", "what it is"), rows)] if rows else []


def _words(plan: Genesis) -> dict[str, str]:
    """What each kind of file is for."""
    words = {one.schema_path: f"collection {one.name}, {one.strategy}" for one in plan.collections.values()}
    for path in plan.files:
        name = path.rpartition("/")[2]
        words.setdefault(path, letters.KINDS.get(name, ""))
    return words | {path: letters.KINDS[path] for path in letters.KINDS if "/" in path}


def _also(done: Begun) -> Iterator[str]:
    if done.made:
        yield letters.made_repository(done.folder, dry_run=done.commit is None)
    elif done.adoption is None and done.asked != done.folder and done.has_work_tree:
        yield letters.in_a_subfolder(done.asked, done.folder)
    if not done.has_work_tree:
        yield letters.bare(done.folder)
    yield from done.remarks
