"""`dreamcatcher action`: one merge as a step of a GitHub workflow. The container's entry point.

With a token it clones for itself and touches no checkout; without one it merges in the workspace's checkout.
Everything that is printed passes `NeutralStream`, because the runner reads commands out of plain output, and much of
it is text that workers wrote. Only annotations of our own go past it, escaped.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from merge_bot.cli import letters
from merge_bot.cli.main import failed
from merge_bot.cli.output import show
from merge_bot.cli.ran import Look, Ran

if TYPE_CHECKING:
    from merge_bot.actions import ActionEnvironment
    from merge_bot.clone import Clone
    from merge_bot.findings import Receipt
    from merge_bot.github_api import GitHub
    from merge_bot.publish.base import Publisher
    from merge_bot.publish.pull_request import PullRequestPublisher
    from merge_bot.remote_clone import RemoteClone
    from merge_bot.workflow_commands import NeutralStream

_ANNOTATIONS = 9  # of warnings; GitHub shows ten a step, and one tells that there are more
_LETTER = 4000


@click.command("action", hidden=True)
def command() -> int:
    """Merge as a step of a GitHub workflow: inputs and places come from the runner's environment."""
    from merge_bot.actions import ActionEnvironment

    with _guarded() as out:
        environment = ran = None
        try:
            environment = ActionEnvironment.from_environ(os.environ)
            ran = _merge(environment, out)
            return _report(environment, ran, out)
        except BaseException as error:
            return _tell(error, environment, ran, out)
        finally:
            if environment is not None:
                _hand_back(environment, out)


def _hand_back(environment: ActionEnvironment, out: NeutralStream) -> None:
    """What became of the frame is settled, so a workspace that cannot be handed back is worth a warning."""
    from merge_bot.workflow_commands import annotation
    from merge_bot.workspace import hand_back

    try:
        hand_back(environment.workspace)
    except OSError as error:
        out.command(annotation("warning", letters.not_handed_back(error), title="Dream Catcher"))


@contextmanager
def _guarded() -> Iterator[NeutralStream]:
    """Standard output and error made harmless, and a cancelled step ended in order."""
    from merge_bot.workflow_commands import NeutralStream

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


def _merge(environment: ActionEnvironment, out: NeutralStream) -> Ran:
    from merge_bot.workflow_commands import mask

    if environment.inputs.github_token:
        out.command(mask(environment.inputs.github_token))
        return _on_the_remote(environment)
    return _in_the_workspace(environment)


def _report(environment: ActionEnvironment, ran: Ran, out: NeutralStream) -> int:
    """Say what came of a run: outputs first, because later steps rely on them."""
    from merge_bot import report
    from merge_bot.action_outputs import outputs_of
    from merge_bot.errors import EXIT_DONE, EXIT_PROBLEM
    from merge_bot.findings import REFUSED_OUTCOMES
    from merge_bot.markdown import markdown
    from merge_bot.page import Item
    from merge_bot.workflow_commands import annotation

    inputs = environment.inputs
    for name, value in outputs_of(ran.result, ran.state_digest, ran.look.oldest).items():
        environment.output(name, value)
    page = report.as_page(ran.result, dry_run=inputs.dry_run, remarks=ran.remarks, earlier=ran.earlier)
    page.add("Alarms", [Item(one.message, [one.remedy]) for one in ran.alarms], "bad")
    for alarm in ran.alarms:
        out.command(annotation("warning", f"{alarm.message}\n{alarm.remedy}", title=f"Alarm: {alarm.name}"))
    show(page)
    receipts = [receipt for one in ran.results if one.frame for receipt in one.frame.receipts]
    refused = [one for one in receipts if one.outcome in REFUSED_OUTCOMES]
    fails = bool(refused) and inputs.on_invalid == "fail"
    _annotate(refused, out)
    if fails:
        out.command(annotation("error", letters.on_invalid(len(refused)), title="Dream Catcher"))
    environment.summary(markdown(page))
    loud = ran.look.collected.base.settings.alarms.exit_code if ran.look.collected and ran.alarms else EXIT_DONE
    return EXIT_PROBLEM if fails else loud


def _on_the_remote(environment: ActionEnvironment) -> Ran:
    """A clone of our own, merged and pushed or proposed."""
    from merge_bot.git.remote import Credentials
    from merge_bot.remote_clone import RemoteClone
    from merge_bot.run import run
    from merge_bot.target import Target

    inputs = environment.inputs
    # Not the workspace: a checkout's settings may hold another token for the same remote.
    with tempfile.TemporaryDirectory(prefix="dreamcatcher-") as nowhere:
        credentials = Credentials(inputs.github_token)
        target = Target(
            environment.web_url,
            base=environment.branch,
            root=nowhere,
            credentials=credentials,
            option=letters.BASE_INPUT,
        )
        with RemoteClone.open(target, inputs.settings) as clone:
            proposer = _proposer(environment, clone) if inputs.mode == "pull-request" and not inputs.dry_run else None
            publisher = proposer or (None if inputs.dry_run else _verified_publisher(environment, clone))
            look = Look(clone.collected, 0 if inputs.dry_run else inputs.grace_seconds)
            results = run(
                clone,
                lambda: clone.merge(datetime.now(UTC), dry_run=inputs.dry_run, publisher=publisher),
                publisher=publisher,
                proposing=inputs.mode == "pull-request",
                dry_run=inputs.dry_run,
                wait=look,
            )
            if proposer and results[-1].frame is None:
                results[-1].published = proposer.withdraw()
            from merge_bot.policy_step import take_policy_step

            said = [remark for one in results for remark in one.published.remarks]
            folder = environment.workspace
            said += take_policy_step(clone, results, datetime.now(UTC), folder=folder, target=target)
            return Ran(results, look, [*clone.remarks, *said], look.alarms(results))


def _proposer(environment: ActionEnvironment, clone: RemoteClone) -> PullRequestPublisher:
    from merge_bot.publish.auto_merge import AutoMerge
    from merge_bot.publish.pull_request import PullRequestPublisher
    from merge_bot.publish.verified import VerifiedCommits
    from merge_bot.pull_request_body import describe

    inputs, github = environment.inputs, _github(environment)
    by_api = inputs.commit_mode == "api"
    return PullRequestPublisher(
        clone.repository, clone.remote, github, clone.branch, clone.author(), partial(describe, labels=inputs.labels),
        auto_merge=None if inputs.auto_merge == "false" else AutoMerge(github, inputs.auto_merge),
        verified=VerifiedCommits(clone.repository, clone.remote, github) if by_api else None,
        web_url=environment.web_url,
    )  # fmt: skip


def _verified_publisher(environment: ActionEnvironment, clone: RemoteClone) -> Publisher | None:
    """Pushes commits that GitHub makes; None where git makes them."""
    if environment.inputs.commit_mode == "git":
        return None
    from merge_bot.publish.verified import VerifiedCommits, VerifiedPublisher

    commits = VerifiedCommits(clone.repository, clone.remote, _github(environment))
    return VerifiedPublisher(commits, clone.repository, clone.ref, clone.author(), clone.pusher())


def _github(environment: ActionEnvironment) -> GitHub:
    from merge_bot.github_api import GitHub

    token = environment.inputs.github_token
    return GitHub(environment.repository, token, environment.api_url, environment.graphql_url)


def _in_the_workspace(environment: ActionEnvironment) -> Ran:
    """The workspace's checkout, merged and committed there."""
    from merge_bot.cli.around import delta_branches, remarks_on
    from merge_bot.clone import Clone
    from merge_bot.run import run

    inputs = environment.inputs
    with Clone.open(str(environment.workspace), environment.branch, trust=True) as clone:
        clone.settings_path = inputs.settings
        _find_branch(clone, environment.branch, inputs.dry_run)
        remarks = [*remarks_on(clone), *delta_branches(clone)]
        look = Look(
            lambda: clone.collected(datetime.now(UTC), dry_run=inputs.dry_run),
            0 if inputs.dry_run else inputs.grace_seconds,
        )
        results = run(
            clone,
            lambda: clone.merge(datetime.now(UTC), dry_run=inputs.dry_run),
            dry_run=inputs.dry_run,
            wait=look,
        )
        from merge_bot.policy_step import take_policy_step

        folder = clone.repository.work_tree or environment.workspace
        said = take_policy_step(clone, results, datetime.now(UTC), folder=folder, target=None)
        if said:
            clone.take_in(datetime.now(UTC))  # nobody else commits what the step left
        remarks += said
        return Ran(results, look, remarks, look.alarms(results))


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
    from merge_bot.wording import counted
    from merge_bot.workflow_commands import annotation

    for receipt in quarantined[:_ANNOTATIONS]:
        problem = receipt.problems[0]
        text = "\n".join(one for one in (problem.message, problem.remedy) if one)
        more = len(receipt.problems) - 1
        text += f"\n({counted(more, 'more problem')} in the summary)" if more else ""
        out.command(annotation("warning", text, file=receipt.source, line=problem.line, title="Delta quarantined"))
    if len(quarantined) > _ANNOTATIONS:
        rest = counted(len(quarantined) - _ANNOTATIONS, "more delta")
        out.command(annotation("warning", f"{rest} quarantined; see the summary", title="Deltas quarantined"))


def _tell(error: BaseException, environment: ActionEnvironment | None, ran: Ran | None, out: NeutralStream) -> int:
    """Say what ended the step: in the log, as an annotation, in the summary. Before it `ran`, or after."""
    from merge_bot.errors import EXIT_TRY_AGAIN
    from merge_bot.markdown import fenced
    from merge_bot.workflow_commands import annotation

    code = failed(error)
    letter = letters.CANCELLED if isinstance(error, KeyboardInterrupt) else str(error)[:_LETTER]
    out.command(annotation("error", letter, title="Dream Catcher"))
    if environment is not None:
        with suppress(OSError):  # the runner's files may be what failed
            if ran is None:
                environment.output("operation", "contended" if code == EXIT_TRY_AGAIN else "none")
            title = "Nothing was merged" if ran is None else letters.UNTOLD
            environment.summary(f"### {title}\n\n{fenced(letter)}\n")
    return code
