"""`dreamcatcher worktree`: a working folder of its own for each worker, all at the same frame.

The data (`--json`) is stable; keys are added, never changed:

    worktrees  of add and list: name, path, branch, commit and frame (the newest as of that commit, or null) of each;
               of list also changed (something is in no commit) and gone (somebody deleted the folder)
    removed    of remove: name, path, branch and branch_kept
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merge_bot.cli.output import branch_option, json_option, print_json, repo_option, show
from merge_bot.cli.past import opened

if TYPE_CHECKING:
    from merge_bot.git.worktrees import Worktree
    from merge_bot.history import History

_MANY = 1_000

_EPILOG = """\b
Examples:
  dreamcatcher worktree ann kai              folders for ann and kai, at the newest frame
  dreamcatcher worktree --workers 5          for w1 … w5
  dreamcatcher worktree ann --at 405         at the commit with which frame 405 came
  dreamcatcher worktree ann --at main        at a commit
  dreamcatcher worktree list                 those that there are
  dreamcatcher worktree remove ann           away with the folder; its branch stays while only it has the commits

NAME's folder is ../REPOSITORY.worktrees/NAME, with the branch worktrees/NAME checked out. Git shares the objects, so a
folder costs its files alone. Work and commit there; frames are merged on the branch that all come from.
"""


class _AddByDefault(click.Group):
    """`worktree NAME` is `worktree add NAME`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["add", *args]
        return super().parse_args(ctx, args)


@click.group("worktree", cls=_AddByDefault, epilog=_EPILOG, no_args_is_help=True)
def command() -> None:
    """Make working folders at a frame's commit, one a worker, that do not see each other (git worktree)."""


@command.command("add", epilog=_EPILOG)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--workers", type=click.IntRange(1, _MANY), metavar="N", help="w1 … wN, instead of names.")
@click.option("--at", metavar="FRAME|COMMIT", help="Where they begin (default: the newest frame's commit).")
@click.option("--in", "folder", type=click.Path(path_type=Path), metavar="DIR", help="The folder that holds them.")
@branch_option
@repo_option
@json_option
def add_command(
    names: tuple[str, ...], workers: int | None, at: str | None, folder: Path | None, branch: str | None, repo: str,
    as_json: bool,
) -> int:  # fmt: skip
    """Make a working folder for each NAME."""
    from merge_bot.assignment import fault, numbered
    from merge_bot.errors import EXIT_DONE
    from merge_bot.git.worktrees import add, home
    from merge_bot.page import Page
    from merge_bot.wording import counted

    if bool(names) == (workers is not None):
        raise click.UsageError("Give names, or --workers and how many.")
    wanted = list(names) or numbered(workers or 0)
    if wrong := fault(wanted):
        raise click.UsageError(wrong)
    with opened(repo, branch) as history:
        place = (folder or home(history.repository)).absolute()
        made = add(history.repository, place, wanted, _commit(history, at))
        rows = [_row(history, one) for one in made]
    if as_json:
        print_json({"worktrees": rows})
        return EXIT_DONE
    frame = rows[0]["frame"]
    where = f"at frame {frame}" if frame is not None else "where no frame was yet"
    page = Page(f"{counted(len(made), 'working folder')} {where}, commit {made[0].commit}.", tone="good")
    page.add("", [_table(rows)])
    show(page)
    return EXIT_DONE


@command.command("list")
@branch_option
@repo_option
@json_option
def list_command(branch: str | None, repo: str, as_json: bool) -> int:
    """List the working folders that were made this way."""
    from merge_bot.errors import EXIT_DONE
    from merge_bot.git.worktrees import changed, listed
    from merge_bot.page import Page
    from merge_bot.wording import counted

    with opened(repo, branch) as history:
        found = listed(history.repository)
        rows = [_row(history, one) | {"changed": not one.gone and changed(one), "gone": one.gone} for one in found]
    if as_json:
        print_json({"worktrees": rows})
        return EXIT_DONE
    page = Page(f"{counted(len(rows), 'working folder')}.")
    page.add("", [_table(rows)] if rows else [])
    show(page)
    return EXIT_DONE


@command.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--force", is_flag=True, help="Also with changes that are in no commit: they are lost.")
@branch_option
@repo_option
@json_option
def remove_command(names: tuple[str, ...], force: bool, branch: str | None, repo: str, as_json: bool) -> int:
    """Take working folders away. A branch stays while nothing else has its commits."""
    from merge_bot.errors import EXIT_DONE
    from merge_bot.git.worktrees import remove
    from merge_bot.page import Item, Page
    from merge_bot.wording import counted, printable

    with opened(repo, branch) as history:
        removed = remove(history.repository, names, force=force)
    if as_json:
        rows = [
            {"name": one.name, "path": str(one.path), "branch": one.branch, "branch_kept": not went}
            for one, went in removed
        ]
        print_json({"removed": rows})
        return EXIT_DONE
    page = Page(f"{counted(len(removed), 'working folder')} removed.", tone="good")
    kept = [Item(f"{one.branch}, at {one.commit}") for one, went in removed if not went]
    page.add("Branches that stay, because only they have their commits", kept)
    page.closing = [f"{printable(str(one.path))}" for one, _ in removed]
    show(page)
    return EXIT_DONE


def _commit(history: History, at: str | None) -> str:
    """The commit that is asked for. Raises RepositoryError if there is none."""
    from merge_bot.errors import RepositoryError
    from merge_bot.git.letters import no_such_place

    if at is None or (at.isdecimal() and len(at) < 10):
        return history.landing(history.newest if at is None else int(at)).commit
    commit = history.repository.resolve(at)
    if commit is None:
        raise RepositoryError(no_such_place(at))
    return commit


def _row(history: History, one: Worktree) -> dict[str, Any]:
    frame = history.frame_of(one.commit)
    return {"name": one.name, "path": str(one.path), "branch": one.branch, "commit": one.commit, "frame": frame}


def _table(rows: list[dict[str, Any]]) -> Any:
    from merge_bot.page import Table
    from merge_bot.wording import printable

    def notes(row: dict[str, Any]) -> str:
        return "the folder is gone" if row.get("gone") else "uncommitted changes" if row.get("changed") else ""

    cells = [[row["name"], "" if row["frame"] is None else str(row["frame"]), printable(row["path"])] for row in rows]
    if not any(map(notes, rows)):
        return Table(["name", "frame", "folder"], cells)
    return Table(["name", "frame", "folder", ""], [[*cell, notes(row)] for cell, row in zip(cells, rows, strict=True)])
