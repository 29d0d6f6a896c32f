"""`dreamcatcher export N --to PLACE`: the state as of a frame, for other tools.

The data (`export --json`) is stable; keys are added, never changed: frame, to (the place), form (folder, tar or
sqlite), and records by collection.
"""

from __future__ import annotations

import click

from merge_bot.cli.output import branch_option, json_option, print_json, repo_option, show
from merge_bot.page import Page, Table
from merge_bot.wording import counted, printable

_EPILOG = """\b
Examples:
  dreamcatcher export 405 --to state-405           a folder with a JSON file a collection
  dreamcatcher export 405 --to state-405.tar       the same as a tar; the same frame gives the same bytes
  dreamcatcher export 405 --to state-405.sqlite    an SQLite database with a table a collection

Beside the collections there are _frame (which frame this is), _conflicts and _parked.
"""


@click.command("export", epilog=_EPILOG)
@click.argument("frame", type=click.IntRange(min=0), metavar="N")
@click.option("--to", "place", required=True, metavar="DIR|FILE", help="A folder, FILE.tar or FILE.sqlite.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@branch_option
@repo_option
@json_option
def command(frame: int, place: str, force: bool, branch: str | None, repo: str, as_json: bool) -> int:
    """Write the state as of frame N to files that other tools read. The repository is not changed."""
    from merge_bot.clone import Clone
    from merge_bot.errors import EXIT_DONE
    from merge_bot.export import export
    from merge_bot.history import History

    with Clone.open(repo, branch) as clone:
        done = export(History(clone), frame, place, force=force)
    if as_json:
        print_json({"frame": frame, "to": str(done.place), "form": done.form, "records": done.records})
        return EXIT_DONE
    total = counted(sum(done.records.values()), "record")
    page = Page(f"The state as of frame {frame} is in {printable(str(done.place))}: {total}.", tone="good")
    rows = [[name, f"{count:,}"] for name, count in sorted(done.records.items())]
    page.add("By collection", [Table(["collection", "records"], rows)] if rows else [])
    show(page)
    return EXIT_DONE
