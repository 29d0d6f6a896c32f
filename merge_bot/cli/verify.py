"""`dreamcatcher verify`: the whole chain of frames, and the live state that it proves.

The data (`verify --json`) is stable; keys are added, never changed:

    ok        whether nothing is wrong
    from, to  the first and the newest frame that were walked
    frames    how many there are, deltas: how many they consumed, records: those of the live state by collection
    findings  each with frame, path, reason (a constant), message, remedy, and commit, author, date of who made it so
              (null and "" where no commit did); the first frame comes first
    notes     what could not be looked at, and why
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from merge_bot.cli.output import branch_option, json_option, print_json, progress, repo_option, show
from merge_bot.page import Item, Page, some
from merge_bot.wording import counted, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from merge_bot.verify import Verified
    from merge_bot.verify_frame import Finding

_EPILOG = """\b
Examples:
  dreamcatcher verify               every frame, from the genesis to the newest
  dreamcatcher verify --from 400    only from frame 400 on
  dreamcatcher verify --jobs 1      in this process alone, where memory is short

The exit code is 1 if anything is wrong.
"""


@click.command("verify", epilog=_EPILOG)
@click.option("--from", "since", type=click.IntRange(min=0), metavar="N", help="Begin at this frame.")
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="How many processes work on it (default: one a core)."
)
@branch_option
@repo_option
@json_option
def command(since: int | None, jobs: int | None, branch: str | None, repo: str, as_json: bool) -> int:
    """Prove that no byte of any frame was changed, and that the state is what the frames made.

    Every manifest, archive and receipt is held against its digest, the ledger against the frames, and the live state
    against the newest manifest. What is wrong is named by frame, file and commit. Nothing is changed.
    """
    from merge_bot.clone import Clone
    from merge_bot.errors import EXIT_DONE, EXIT_PROBLEM
    from merge_bot.history import History
    from merge_bot.processes import cores
    from merge_bot.verify import verify

    with Clone.open(repo, branch) as clone:
        found = verify(History(clone), since, progress, jobs or cores())
    if as_json:
        print_json(_as_data(found))
    else:
        show(_as_page(found))
    return EXIT_DONE if found.ok else EXIT_PROBLEM


def _as_data(found: Verified) -> dict[str, Any]:
    rows = [{name: getattr(one, name) for name in one.__slots__} for one in found.findings]
    return {
        "ok": found.ok,
        "from": found.first,
        "to": found.newest,
        "frames": found.frames,
        "deltas": found.deltas,
        "records": found.records,
        "findings": rows,
        "notes": found.notes,
    }


def _as_page(found: Verified) -> Page:
    walked = f"frames {found.first} to {found.newest}, {counted(found.deltas, 'delta')}, "
    walked += f"{counted(sum(found.records.values()), 'record')} of the state"
    if found.ok:
        page = Page(f"Every byte is as it was merged: {walked}.", tone="good")
    else:
        first = found.findings[0]
        where = f"{printable(first.path)} of frame {first.frame}"
        page = Page(
            f"{counted(len(found.findings), 'file')} wrong, the first is {where}. Walked: {walked}.", tone="bad"
        )
    page.add("", some([Item(f"frame {one.frame}: {printable(one.path)}", list(_lines(one))) for one in found.findings]))
    page.add("Not looked at", some([Item(one) for one in found.notes]), "doubt")
    return page


def _lines(one: Finding) -> Iterator[str]:
    yield printable(one.message)
    if one.commit:
        yield f"commit {one.commit[:12]}" + (f" by {printable(one.author)} on {one.date}" if one.author else "")
    yield printable(one.remedy)
