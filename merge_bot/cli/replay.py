"""`dreamcatcher replay`: frames merged once more from their archives, to show that the bytes are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from merge_bot.cli.output import branch_option, json_option, print_json, progress, repo_option, show
from merge_bot.cli.past import FRAME, in_order, opened

if TYPE_CHECKING:
    from merge_bot.history import History
    from merge_bot.replay import Replayed

_EPILOG = """\b
Examples:
  dreamcatcher replay 405                                      frame 405, once more
  dreamcatcher replay --from 1 --to 405                        a range
  dreamcatcher replay --until-field agents/agent-42/banned     why did this get that value, and in which frame

With --json: a list of {frame, kind, manifest, same, deltas, files, differs, note}; --until-field gives {path, value,
events, replays}. The exit code is 1 where a frame comes out otherwise. Nothing is written.
"""


@click.command("replay", epilog=_EPILOG)
@click.argument("frame", required=False, type=FRAME, metavar="[N]")
@click.option("--from", "first", type=FRAME, metavar="A", help="The first frame of a range (default: the oldest).")
@click.option("--to", "last", type=FRAME, metavar="B", help="The last frame of a range (default: the newest).")
@click.option("--until-field", metavar="COLLECTION/KEY/FIELD", help="The frames that made a field what it is.")
@branch_option
@repo_option
@json_option
def command(
    frame: int | None,
    first: int | None,
    last: int | None,
    until_field: str | None,
    branch: str | None,
    repo: str,
    as_json: bool,
) -> int:
    """Merge frame N's archived deltas once more onto the state before it, and show that every byte is the same.

    The settings and schemas are those of that time. Nothing is written.
    """
    from merge_bot.errors import EXIT_DONE, EXIT_PROBLEM
    from merge_bot.past_report import replay_page

    ranged = first is not None or last is not None
    if [frame is not None, ranged, until_field is not None].count(True) != 1:
        raise click.UsageError("Give a frame; or a range with --from and --to; or --until-field.")
    with opened(repo, branch) as history:
        if until_field is not None:
            return _until(history, until_field, as_json)
        if frame is not None:
            done = [history.replay(frame)]
        else:
            start = history.oldest if first is None else first
            end = history.newest if last is None else last
            numbers = in_order(start, end)
            for number in (start, end):
                history.check_number(number)
            history.bring(numbers)
            done = [history.replay(number) for number in progress(numbers, "replay")]
    if as_json:
        print_json([one.as_json() for one in done])
    else:
        show(replay_page(done))
    return EXIT_PROBLEM if any(one.same is False for one in done) else EXIT_DONE


def _until(history: History, path: str, as_json: bool) -> int:
    from merge_bot.blame import field_events
    from merge_bot.errors import EXIT_DONE, EXIT_PROBLEM
    from merge_bot.past_report import until_page

    events = field_events(history, path)
    numbers = sorted({one.frame for one in events})
    replays: dict[int, Replayed] = {number: history.replay(number) for number in progress(numbers, "replay")}
    if as_json:
        print_json(
            {
                "path": path,
                "value": events[-1].as_json().get("value"),
                "events": [one.as_json() for one in events],
                "replays": [one.as_json() for one in replays.values()],
            }
        )
    else:
        show(until_page(path, events, replays))
    return EXIT_PROBLEM if any(one.same is False for one in replays.values()) else EXIT_DONE
