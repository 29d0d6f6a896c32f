"""How commands ask the merge for a decision: the options that say as whom and by which way, and what is said then."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from merge_bot.cli import letters
from merge_bot.cli.output import json_option, lines, print_json, repo_option

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from merge_bot.reader import Newest
    from merge_bot.target import Target

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Way:
    """By which way requests go: into the inbox of the work tree at `repo`, or with `submit` to a remote."""

    repo: str
    submit: bool
    to: Any
    remote: str
    base: str | None
    budget: float

    def target(self) -> Target | None:
        """The remote that requests go to; None for the inbox here."""
        from merge_bot.target import Target, credentials_from

        if not self.submit:
            return None
        return Target(self.remote, self.to, self.base, self.repo, credentials_from(os.environ))


def way_options(command: Decorated) -> Decorated:
    """The options of every command that asks; they come as `way`, with `as_json`."""
    from functools import wraps

    @wraps(command)
    def wrapped(
        *arguments: Any,
        repo: str,
        submit: bool,
        to: str,
        remote: str | None,
        base: str | None,
        budget: float,
        **more: Any,
    ) -> Any:
        way = Way(repo, submit or remote is not None, to, remote or "origin", base, budget)
        return command(*arguments, way=way, **more)

    options: list[Callable[[Any], Any]] = [
        click.option("--submit", is_flag=True, help="Send it to a remote, as `dreamcatcher submit` does."),
        click.option("--remote", metavar="NAME|URL", help="Which remote, and --submit (default: origin)."),
        click.option(
            "--to",
            type=click.Choice(["branch", "inbox"]),
            default="branch",
            show_default=True,
            help="There: the sender's own delta branch, or the inbox.",
        ),
        click.option("--base", metavar="BRANCH", help="There: the branch that is merged into."),
        click.option(
            "--budget", type=click.FloatRange(min=0), default=60, show_default=True, help="Seconds to keep trying."
        ),
        repo_option,
        json_option,
    ]
    made: Any = wrapped
    for option in reversed(options):
        made = option(made)
    return made  # type: ignore[no-any-return]


as_option: Callable[[Decorated], Decorated] = click.option(
    "--as", "as_whom", metavar="ID", help="The operator who asks (default: the first that the settings name)."
)


def newest_of(way: Way, branch: str | None = None) -> AbstractContextManager[Newest]:
    """The newest frame, where the requests go to: of the remote, or of the branch that is checked out here."""
    from merge_bot.reader import newest_here, newest_there

    target = way.target()
    return newest_there(target) if target else newest_here(way.repo, branch)


def operator_of(way: Way, as_whom: str | None) -> str:
    """As whom an operator's request goes. Raises DreamcatcherError where nobody, or somebody else, is one."""
    from merge_bot.errors import DreamcatcherError

    with newest_of(way) as newest:
        known = newest.settings.operators
    if not known or (as_whom is not None and as_whom not in known):
        raise DreamcatcherError(letters.no_operator(as_whom, known))
    return as_whom or known[0]


def ask_for(
    requests: Sequence[Mapping[str, Any]], stream_id: str, way: Way, told: Sequence[str], *, as_json: bool
) -> int:
    """Send the requests and say where they are; `told` are lines that say what was asked for."""
    from datetime import UTC, datetime

    from merge_bot.asking import ask
    from merge_bot.errors import EXIT_DONE
    from merge_bot.patience import Patience

    root = way.repo
    if not way.submit:
        from merge_bot.cli.around import inbox_root

        root = str(inbox_root(way.repo))
    asked = ask(
        requests,
        stream_id=stream_id,
        now=datetime.now(UTC),
        root=root,
        target=way.target(),
        patience=Patience(way.budget),
    )
    if as_json:
        sent = [{"path": one.path, "digest": one.digest, "frame": one.frame, "submitted": way.submit} for one in asked]
        print_json({"stream_id": stream_id, "asked": [dict(one) for one in requests], "deltas": sent})
    else:
        lines([*told, *(letters.asked(one.path, stream_id, submitted=way.submit) for one in asked)])
    return EXIT_DONE
