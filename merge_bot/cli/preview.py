"""`dreamcatcher preview`: what the next merge would do, with more deltas or with fewer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from merge_bot.cli.output import json_option, print_json, progress, repo_option, show

_EPILOG = """\b
Examples:
  dreamcatcher preview                                   what the next merge would do, and what would change
  dreamcatcher preview --with mine.json --with its.json  with these deltas too
  dreamcatcher preview --without w3                      as if worker w3 had delivered nothing
  dreamcatcher preview --branch what-if                  keep it as a branch; git branch -D what-if throws it away

With --json: what `merge --dry-run --json` says, with `diff` (as `diff --json`) and `branch`.
"""


@click.command("preview", epilog=_EPILOG)
@click.option(
    "--with", "more", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="A further delta.",
)  # fmt: skip
@click.option("--without", multiple=True, metavar="WORKER", help="Leave this worker's deltas out.")
@click.option("--branch", metavar="NAME", help="Keep the result as a new local branch.")
@click.option("--on", "base", metavar="NAME", help="The branch to merge on (default: the one that is checked out).")
@repo_option
@json_option
def command(
    more: tuple[Path, ...], without: tuple[str, ...], branch: str | None, base: str | None, repo: str, as_json: bool
) -> int:
    """Say what the next merge would do, with more deltas or with fewer: changes, conflicts, letters. Keep nothing."""
    from merge_bot.clone import Clone
    from merge_bot.errors import EXIT_DONE
    from merge_bot.preview import preview

    deltas = {str(path): path.read_bytes() for path in more}
    with Clone.open(repo, base) as clone:
        found = preview(clone, datetime.now(UTC), deltas, without, branch, progress)
    if as_json:
        print_json(found.as_json())
    else:
        show(found.as_page())
    return EXIT_DONE
