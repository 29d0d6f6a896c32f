"""`dreamcatcher init`: schemas, settings, a workflow and the genesis, committed to a repository."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merge_bot.cli import letters
from merge_bot.cli.output import branch_option, json_option, print_json, show

if TYPE_CHECKING:
    from merge_bot.adoption.adopt import Adoption
    from merge_bot.clone import Clone
    from merge_bot.genesis import Genesis

_EPILOG = """\b
Examples:
  dreamcatcher init --dry-run      what would be written; nothing is
  dreamcatcher init world          a new repository in the folder world
  dreamcatcher init --frame 405    the first frame to be merged is 405
  dreamcatcher init --adopt state old-deltas --dry-run
                                   what would be made of the JSON files there, and why

Nothing is overwritten: settings and schemas of yours, committed or not, are used as they are. Schemas of an example
world are added only where you have none, and none is adopted.

With --adopt the files stay where and as they are; schemas are written that they and the deltas among them satisfy.
"""


@click.command("init", epilog=_EPILOG)
@click.argument("places", nargs=-1, type=click.Path(), metavar="[FOLDER | --adopt PATH...]")
@click.option(
    "--frame",
    type=click.IntRange(1, 10**15),
    metavar="N",
    help="The first frame (default: 1, or the one after the adopted deltas').",
)
@click.option("--adopt", is_flag=True, help="Take in the JSON state and the deltas at PATHs (files or folders).")
@branch_option
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@json_option
def command(
    places: tuple[str, ...], frame: int | None, adopt: bool, branch: str | None, dry_run: bool, as_json: bool
) -> int:
    """Put what a merge needs into the git repository at FOLDER, as one commit, and open the first frame.

    A folder that is in no git repository becomes one.
    """
    from merge_bot.cli.around import branch_of
    from merge_bot.cli.begun import Begun, as_data, as_page
    from merge_bot.errors import EXIT_DONE

    asked = _Asked(frame, _checked(places) if adopt else None)
    if len(places) > 1 and not adopt:
        raise click.UsageError("One folder at a time; to take in what lies in several, --adopt.")
    folder = _folder_of(places[0]) if adopt else places[0] if places else "."
    with _opened(folder, branch, asked, dry_run) as (clone, made):
        now = datetime.now(UTC)
        plan, adoption = _planned(clone, asked, now)
        done = Begun(
            folder=str(clone.repository.work_tree or clone.repository.git_dir),
            asked=os.path.realpath(folder),
            made=made,
            branch=branch_of(clone),
            plan=plan,
            taken_in=_taken_in(clone, plan),
            kept=_kept(clone, plan),
            has_work_tree=clone.repository.work_tree is not None,
            commit=None if dry_run else clone.begin(plan, now),
            adoption=adoption,
            remarks=_remarks(clone, asked, plan, adoption),
        )
    if as_json:
        print_json(as_data(done))
    else:
        show(as_page(done))
    return EXIT_DONE


@dataclass(frozen=True, slots=True)
class _Asked:
    """The first frame, if one was named, and the places to adopt from; None where nothing is adopted."""

    frame: int | None
    places: tuple[str, ...] | None


def _checked(places: tuple[str, ...]) -> tuple[str, ...]:
    if not places:
        raise click.UsageError("Say what to adopt: dreamcatcher init --adopt PATH...")
    return places


def _folder_of(place: str) -> str:
    return place if os.path.isdir(place) else os.path.dirname(place) or "."


@contextmanager
def _opened(folder: str, branch: str | None, asked: _Asked, dry_run: bool) -> Iterator[tuple[Clone, bool]]:
    """The clone at `folder`, and whether there was none. A dry run plans a new one without making it."""
    from merge_bot.cli.around import refuse_elsewhere
    from merge_bot.clone import Clone
    from merge_bot.errors import RepositoryError
    from merge_bot.git import Repository

    place, first = Path(os.path.realpath(folder)), branch or "main"
    try:
        found = Clone.open(folder, branch)
    except RepositoryError:
        if _is_in_repository(place) or (place.exists() and not place.is_dir()):
            raise
        if asked.places is not None:
            raise RepositoryError(letters.adopt_in_no_repository(folder)) from None
    else:
        with found as clone:
            refuse_elsewhere(clone)
            yield clone, False
        return
    with (
        tempfile.TemporaryDirectory(prefix="dreamcatcher-") as elsewhere,
        Clone(Repository.create(elsewhere, first), f"refs/heads/{first}") as clone,
    ):
        clone.repository.work_tree = place  # its files are looked at; nothing is written there
        _planned(clone, asked, datetime.now(UTC))  # what stands against it is said before anything is made
        if dry_run:
            yield clone, True
            return
    with Clone(Repository.create(place, first), f"refs/heads/{first}") as clone:
        yield clone, True


def _planned(clone: Clone, asked: _Asked, now: datetime) -> tuple[Genesis, Adoption | None]:
    """The genesis, if nothing stands against it; else a DreamcatcherError that says what."""
    from merge_bot.resources import example_schemas
    from merge_bot.settings import SETTINGS_PATH

    if asked.places is None:
        plan = clone.plan(_templates(), example_schemas(), now, asked.frame or 1)
        adoption = None
    else:
        from merge_bot.cli import adopting

        adoption = adopting.adoption_of(clone, asked.places)
        templates = _templates()
        templates[SETTINGS_PATH] = adopting.settings_text(templates[SETTINGS_PATH], adoption)
        templates |= {one.schema_path: one.schema for one in adoption.collections}
        plan = clone.plan(templates, {}, now, asked.frame or (adoption.newest or 0) + 1)
    refuse_uncommitted_state(clone, plan)
    return plan, adoption


def _templates() -> dict[str, bytes]:
    from merge_bot.resources import settings_template, workflow_template
    from merge_bot.settings import SETTINGS_PATH

    return {SETTINGS_PATH: settings_template(), ".github/workflows/dreamcatcher.yml": workflow_template()}


def _remarks(clone: Clone, asked: _Asked, plan: Genesis, adoption: Adoption | None) -> list[str]:
    if adoption is None:
        return []
    from merge_bot.cli import adopting
    from merge_bot.collect import read_settings
    from merge_bot.settings import SETTINGS_PATH
    from merge_bot.state import MemoryFiles, Overlay

    own = SETTINGS_PATH if SETTINGS_PATH not in plan.files or _taken_in(clone, plan).count(SETTINGS_PATH) else None
    folder = read_settings(Overlay(clone.files, MemoryFiles(plan.files).files)).state
    return list(adopting.remarks(adoption, plan.frame, asked.frame is not None, folder, own))


def _is_in_repository(place: Path) -> bool:
    return any((folder / ".git").exists() for folder in (place, *place.parents)) or (place / "HEAD").exists()


def refuse_uncommitted_state(clone: Clone, plan: Genesis) -> None:
    """Raises RepositoryError if there is state that nobody committed: the genesis would not know of it."""
    from merge_bot.collect import read_settings
    from merge_bot.errors import RepositoryError
    from merge_bot.paths import Paths
    from merge_bot.state import MemoryFiles, Overlay

    root = clone.repository.work_tree
    if root is None:
        return
    paths = Paths(read_settings(Overlay(clone.files, MemoryFiles(plan.files).files), clone.settings_path).state)
    found = [
        path
        for path in clone.repository.untracked_and_changed(clone.tip, paths.state).changed
        if not path.startswith(f"{paths.inbox}/") and path not in plan.files
    ]
    for collection in plan.collections.values():
        if collection.path.startswith(f"{paths.state}/"):
            continue
        if collection.layout == "file":
            place = root / collection.path
            if place.is_file() and place.read_bytes() != clone.files.read(collection.path):
                found.append(collection.path)
        else:
            found += clone.repository.untracked_and_changed(clone.tip, collection.path).changed
    if found:
        raise RepositoryError(letters.uncommitted_state(sorted(found)))


def _taken_in(clone: Clone, plan: Genesis) -> list[str]:
    root = clone.repository.work_tree
    return sorted(path for path in plan.files if root is not None and os.path.lexists(root / path))


def _kept(clone: Clone, plan: Genesis) -> list[str]:
    """What `init` might have written and found committed: settings, the workflow, schemas."""
    schemas = [one.schema_path for one in plan.collections.values()]
    return sorted(path for path in (*_templates(), *schemas) if path not in plan.files)
