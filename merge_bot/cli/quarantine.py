"""`dreamcatcher quarantine`: what was refused, and what becomes of it.

The data of `quarantine list --json` is stable; keys are added, never changed:

    open_frame  the frame that is open
    looked      how many frames were looked into, the newest first
    waiting     a receipt for each delta that waits, with kept_in (the frame that refused it) and kept (its bytes' path)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from merge_bot.cli import letters
from merge_bot.cli.asking import Way, as_option, ask_for, newest_of, operator_of, way_options
from merge_bot.cli.output import branch_option, json_option, print_json, repo_option, show

if TYPE_CHECKING:
    from merge_bot.quarantine import Case
    from merge_bot.reader import Newest

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_FRAMES = 1000
_EPILOG = """\b
Examples:
  dreamcatcher quarantine list --worker w1               what was refused of w1, and why
  dreamcatcher quarantine show 3fa9c1                    one delta, by the beginning of its SHA-256: letters and bytes
  dreamcatcher quarantine retry 3fa9c1                   the schema was wrong, not the delta: look at it once more
  dreamcatcher quarantine amend 3fa9c1 better.json       this in its place: at most one of the two ever counts
  dreamcatcher quarantine drop 3fa9c1 --reason "spam"    never let it in; its bytes stay

retry, amend and drop ask: they write a delta of an operator's stream, which the next merge decides. `dreamcatcher
receipts --worker operator` tells what it said. With --submit the delta goes to a remote.
"""
_EXAMPLES = {
    "list": "dreamcatcher quarantine list --refused-for schema_violation\n  dreamcatcher quarantine list --json",
    "show": "dreamcatcher quarantine show 3fa9c1\n  dreamcatcher quarantine show 3fa9c1 --raw > delta.json",
    "retry": "dreamcatcher quarantine retry 3fa9c1 77b0\n  dreamcatcher quarantine retry --refused-for clock_ahead",
    "amend": "dreamcatcher quarantine amend 3fa9c1 better.json\n  dreamcatcher quarantine amend 3fa9c1 --edit",
    "drop": 'dreamcatcher quarantine drop 3fa9c1 --reason "sent by mistake"',
}


def _epilog(name: str) -> str:
    return f"\b\nExamples:\n  {_EXAMPLES[name]}"


_worker_option: Callable[[Decorated], Decorated] = click.option("--worker", metavar="W", help="Only of this worker.")
_reason_option: Callable[[Decorated], Decorated] = click.option(
    "--refused-for", "reason", metavar="REASON", help="Only with this reason constant."
)
_frames_option: Callable[[Decorated], Decorated] = click.option(
    "--frames",
    type=click.IntRange(min=1),
    default=_FRAMES,
    show_default=True,
    help="How many frames to look into, the newest first.",
)


@click.group("quarantine", epilog=_EPILOG, no_args_is_help=True)
def command() -> None:
    """Look at deltas that were refused; put them up again, amend or drop them."""


@command.command("list", epilog=_epilog("list"))
@_worker_option
@_reason_option
@_frames_option
@click.option("--remote", metavar="NAME|URL", help="Read on this remote.")
@branch_option
@repo_option
@json_option
def list_(
    worker: str | None,
    reason: str | None,
    frames: int,
    remote: str | None,
    branch: str | None,
    repo: str,
    as_json: bool,
) -> int:
    """List the deltas that wait in quarantine, the newest frame first."""
    from merge_bot.errors import EXIT_DONE
    from merge_bot.quarantine_report import cases_page

    with newest_of(Way(repo, remote is not None, "branch", remote or "origin", branch, 60), branch) as newest:
        meta, found = newest.meta, _cases(newest, frames, worker, reason)
    looked = min(frames, meta.frame)
    if as_json:
        print_json({"open_frame": meta.frame, "looked": looked, "waiting": [one.as_json() for one in found]})
    else:
        show(cases_page(found, meta.frame, looked))
    return EXIT_DONE


@command.command("show", epilog=_epilog("show"))
@click.argument("digest")
@click.option("--raw", is_flag=True, help="Its bytes alone, exactly as they came.")
@_frames_option
@branch_option
@repo_option
@json_option
def show_(digest: str, raw: bool, frames: int, branch: str | None, repo: str, as_json: bool) -> int:
    """Show one delta of the quarantine: every letter about it, and its bytes, from history if need be."""
    from merge_bot.cli.past import opened
    from merge_bot.errors import EXIT_DONE
    from merge_bot.quarantine import cases
    from merge_bot.quarantine_report import case_page

    with opened(repo, branch) as history:
        case = _one(list(cases(history.files, history.paths, history.meta, frames)), digest)
        data = history.archived(case.kept_in, case.file)
    if raw:
        sys.stdout.flush()
        sys.stdout.buffer.write(data or b"")
    elif as_json:
        text = data.decode("utf-8", "backslashreplace") if data is not None else None
        print_json({**case.as_json(), "content": text})
    else:
        show(case_page(case, data))
    return EXIT_DONE


@command.command("retry", epilog=_epilog("retry"))
@click.argument("digests", nargs=-1, metavar="[DIGEST]…")
@_worker_option
@_reason_option
@_frames_option
@as_option
@way_options
def retry(
    digests: Sequence[str],
    worker: str | None,
    reason: str | None,
    frames: int,
    as_whom: str | None,
    way: Way,
    as_json: bool,
) -> int:
    """Put refused deltas up again: after the next merge they are looked at as if they had just come."""
    if not digests and worker is None and reason is None:
        raise click.UsageError("Which? Give their DIGESTs, or --worker W, or --refused-for REASON.")
    whom = operator_of(way, as_whom)
    chosen = _chosen(way, digests, frames, worker, reason)
    requests = [{"op": "retry", "delta": one.digest, "frame": one.kept_in} for one in chosen]
    return ask_for(requests, whom, way, [letters.asked_to("put up again", chosen)], as_json=as_json)


@command.command("drop", epilog=_epilog("drop"))
@click.argument("digests", nargs=-1, required=True, metavar="DIGEST…")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for those who come after.")
@_frames_option
@as_option
@way_options
def drop(digests: Sequence[str], reason: str, frames: int, as_whom: str | None, way: Way, as_json: bool) -> int:
    """Drop refused deltas, and such as wait for a frame to come: the same bytes never come in again. They are kept."""
    whom = operator_of(way, as_whom)
    chosen = _chosen(way, digests, frames, or_held=True)
    requests = [{"op": "drop", "delta": one.digest, "frame": one.kept_in, "reason": reason} for one in chosen]
    return ask_for(requests, whom, way, [letters.asked_to("drop", chosen)], as_json=as_json)


@command.command("amend", epilog=_epilog("amend"))
@click.argument("digest")
@click.argument("file", required=False, type=click.Path(allow_dash=True))
@click.option("--edit", is_flag=True, help="Open the refused delta in your editor instead of reading a FILE.")
@_frames_option
@as_option
@way_options
def amend(digest: str, file: str | None, edit: bool, frames: int, as_whom: str | None, way: Way, as_json: bool) -> int:
    """Put the delta in FILE (`-`: standard input) in a refused one's place. At most one of the two ever counts."""
    from merge_bot.cli.operations import content_of, object_in

    if edit == (file is not None):
        raise click.UsageError("Give a FILE with the whole delta, or --edit.")
    whom = operator_of(way, as_whom)
    with newest_of(way) as newest:
        case = _one(_cases(newest, frames), digest)
        before = newest.files.read(case.file) if edit else None
    content = _edited(before) if edit else object_in(*content_of(file))
    if not way.submit:
        _check(content, case, way)
    request = {"op": "amend", "delta": case.digest, "frame": case.kept_in, "with": content}
    return ask_for([request], whom, way, [letters.asked_to("amend", [case])], as_json=as_json)


# --- which ones


def _cases(newest: Newest, frames: int, worker: str | None = None, reason: str | None = None) -> list[Case]:
    from merge_bot.quarantine import cases

    return [
        one
        for one in cases(newest.files, newest.paths, newest.meta, frames)
        if worker in (None, one.receipt.stream_id) and reason in (None, one.receipt.reason)
    ]


def _chosen(
    way: Way,
    digests: Sequence[str],
    frames: int,
    worker: str | None = None,
    reason: str | None = None,
    *,
    or_held: bool = False,
) -> list[Case]:
    """The deltas that are meant, each once. Raises DreamcatcherError if there are none, or one is not clear."""
    from merge_bot.errors import DreamcatcherError
    from merge_bot.quarantine import held

    with newest_of(way) as newest:
        found = _cases(newest, frames, worker, reason)
        found += held(newest.files, newest.paths, newest.meta) if or_held else ()
    if digests:
        found = list({one.digest: one for one in (_one(found, digest) for digest in digests)}.values())
    if not found:
        raise DreamcatcherError(letters.nothing_in_quarantine())
    return found


def _one(found: Sequence[Case], digest: str) -> Case:
    """The delta whose SHA-256 begins so. Raises DreamcatcherError if there is none, or more than one."""
    from merge_bot.errors import DreamcatcherError

    meant = [one for one in found if one.digest.startswith(digest.lower())]
    if len(meant) != 1:
        raise DreamcatcherError(letters.no_such_case(digest, [one.digest for one in meant]))
    return meant[0]


# --- what is put in its place


def _check(content: Any, case: Case, way: Way) -> None:
    """Hold it to what the merge will hold it to. Raises DeltaRejected, which lists every problem."""
    from merge_bot import worker_letters
    from merge_bot.cli.around import inbox_root
    from merge_bot.errors import DeltaRejected
    from merge_bot.findings import Rejection
    from merge_bot.validate import given, validate
    from merge_bot.workshop import linked
    from merge_bot.writer import Desk

    verdict = validate(given("the amended delta", linked(content, case.digest)), Desk.open(inbox_root(way.repo)).rules)
    if isinstance(verdict, Rejection):
        raise DeltaRejected(worker_letters.rejected(worker_letters.WHOLE, verdict.problems), verdict.problems)


def _edited(before: bytes | None) -> Any:
    from merge_bot.cli.operations import object_in
    from merge_bot.errors import DreamcatcherError

    if before is None:
        raise DreamcatcherError(letters.no_bytes_to_edit())
    text = click.edit(before.decode("utf-8", "backslashreplace"), extension=".json")
    if text is None:
        raise DreamcatcherError(letters.edited_nothing())
    return object_in(text.encode(), "what you wrote")
