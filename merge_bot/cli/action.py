"""`dreamcatcher action`: one merge as a step of a GitHub workflow. The container's entry point.

Everything that is printed passes `NeutralStream`, because the runner reads commands out of plain output, and much of
it is text that workers wrote. Only annotations of our own go past it, escaped.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from merge_bot.cli import letters
from merge_bot.cli.main import failed
from merge_bot.cli.output import show

if TYPE_CHECKING:
    from merge_bot.actions import ActionEnvironment, NeutralStream
    from merge_bot.clone import Clone
    from merge_bot.findings import Receipt

_ANNOTATIONS = 9  # of warnings; GitHub shows ten a step, and one tells that there are more
_LETTER = 4000


@click.command("action", hidden=True)
def command() -> int:
    """Merge as a step of a GitHub workflow: inputs and places come from the runner's environment."""
    from merge_bot.actions import ActionEnvironment, hand_back

    with _guarded() as out:
        environment = None
        try:
            environment = ActionEnvironment.from_environ(os.environ)
            return _merge(environment, out)
        except BaseException as error:
            return _tell(error, environment, out)
        finally:
            if environment is not None:
                hand_back(environment.workspace)


@contextmanager
def _guarded() -> Iterator[NeutralStream]:
    """Standard output and error made harmless, and a cancelled step ended in order."""
    from merge_bot.actions import NeutralStream

    out, err = NeutralStream(sys.stdout), NeutralStream(sys.stderr)
    # A container's first process does not even notice SIGTERM unless it handles it.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield out
    finally:
        signal.signal(signal.SIGTERM, before)
        out.close()
        err.close()


def _merge(environment: ActionEnvironment, out: NeutralStream) -> int:
    from merge_bot import report
    from merge_bot.cli.around import remarks_on
    from merge_bot.clone import Clone
    from merge_bot.errors import EXIT_DONE
    from merge_bot.findings import Outcome
    from merge_bot.markdown import markdown

    dry_run = environment.inputs.dry_run
    with Clone.open(str(environment.workspace), environment.branch, trust=True) as clone:
        clone.settings_path = environment.inputs.settings
        _find_branch(clone, environment.branch, dry_run)
        remarks = list(remarks_on(clone))
        result = clone.merge(datetime.now(UTC), dry_run=dry_run)
    page = report.as_page(result, dry_run=dry_run, remarks=remarks)
    show(page)
    receipts = result.frame.receipts if result.frame else []
    _annotate([one for one in receipts if one.outcome == Outcome.QUARANTINED], out)
    environment.summary(markdown(page))
    return EXIT_DONE


def _find_branch(clone: Clone, branch: str, dry_run: bool) -> None:
    """Where the checkout has the branch as the remote's alone (it checked out a tag or a pull request), make it.

    Raises RepositoryError if there is no such branch.
    """
    from merge_bot.errors import RepositoryError

    if clone.tip is not None:
        return
    remote = f"refs/remotes/origin/{branch}"
    commit = clone.repository.resolve(remote)
    if commit is None:
        raise RepositoryError(letters.no_such_branch(branch))
    if dry_run:
        clone.ref = remote
    else:
        clone.repository.compare_and_swap(clone.ref, commit, None)


def _annotate(quarantined: list[Receipt], out: NeutralStream) -> None:
    """A warning at each refused delta, where GitHub shows it."""
    from merge_bot.actions import annotation
    from merge_bot.wording import counted

    for receipt in quarantined[:_ANNOTATIONS]:
        problem = receipt.problems[0]
        text = "\n".join(one for one in (problem.message, problem.remedy) if one)
        more = len(receipt.problems) - 1
        text += f"\n({counted(more, 'more problem')} in the summary)" if more else ""
        out.command(annotation("warning", text, file=receipt.source, line=problem.line, title="Delta quarantined"))
    if len(quarantined) > _ANNOTATIONS:
        rest = counted(len(quarantined) - _ANNOTATIONS, "more delta")
        out.command(annotation("warning", f"{rest} quarantined; see the summary", title="Deltas quarantined"))


def _tell(error: BaseException, environment: ActionEnvironment | None, out: NeutralStream) -> int:
    """Say what ended the step: in the log, as an annotation, in the summary."""
    from merge_bot.actions import annotation
    from merge_bot.markdown import fenced

    code = failed(error)
    letter = letters.CANCELLED if isinstance(error, KeyboardInterrupt) else str(error)[:_LETTER]
    out.command(annotation("error", letter, title="Dream Catcher"))
    if environment is not None:
        environment.summary(f"### Nothing was merged\n\n{fenced(letter)}\n")
    return code
