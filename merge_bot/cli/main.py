"""The `dreamcatcher` program: finds the command, and turns what goes wrong into a letter and an exit code."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from merge_bot import __version__
from merge_bot.cli.output import prepare_streams, say
from merge_bot.errors import EXIT_BUG, EXIT_DONE, EXIT_INTERRUPTED, EXIT_PROBLEM, DreamcatcherError

COMMANDS = {
    "init": "Put schemas, settings, a workflow and the first frame into a repository.",
    "demo": "See ten workers write at once and one merge take it all in; see what the plain way loses.",
    "write": "Write a delta file into the inbox.",
    "check": "Find everything wrong with deltas, schemas, settings and state; change nothing.",
    "submit": "Send a delta to a remote: to its worker's own branch, or to the inbox.",
    "merge": "Merge every pending delta into one commit.",
    "conflicts": "List open conflicts, show one with every value, or decide it.",
    "receipts": "Show what became of a worker's deltas, and what to do.",
    "worker": "List workers; claim and release leases; let a stopped one write again.",
    "quarantine": "Look at deltas that were refused; put them up again, amend or drop them.",
    "status": "Show the open frame, what waits for it, and how old it is.",
    "doctor": "Find what around the merge is set up wrongly, and who writes which path.",
    "assign": "Split a collection's records over workers.",
    "worktree": "Make working folders at a frame's commit, one a worker.",
    "preview": "Say what the next merge would do, with more deltas or with fewer.",
    "log": "List the frames, newest first.",
    "show": "Show the state as of a frame, or one record with its whole life.",
    "diff": "Show what changed between two frames, or what each worker brought.",
    "replay": "Merge frames once more from their archives: the bytes are the same.",
    "verify": "Prove that no byte of any frame was changed.",
    "export": "Write a frame's state to JSON files, a tar or an SQLite database.",
    "rollback": "Make an earlier frame's state the newest.",
    "schema": "Print a collection's schema, or the delta's.",
    "action": "Run as a GitHub Action does (reads its environment).",
}
HIDDEN = frozenset({"action"})


class _Commands(click.Group):
    """Loads a command's module only when it is called: most of a short run is imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"merge_bot.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, so that `--help` imports no command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            from difflib import get_close_matches

            close = get_close_matches(args[0], self.list_commands(ctx), 1)
            guess = f" Did you mean '{close[0]}'?" if close else " See 'dreamcatcher --help'."
            raise click.UsageError(f"No such command {args[0]!r}.{guess}", ctx)
        return super().resolve_command(ctx, args)


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    no_args_is_help=True,
)
@click.version_option(__version__, prog_name="dreamcatcher")
@click.option("-v", "--verbose", is_flag=True, help="Print each git command before it runs.")
def program(verbose: bool) -> None:
    """Parallel workers write deltas; one merge per frame commits them; git keeps everything.

    \b
    Begin:   dreamcatcher init
    Then:    dreamcatcher schema delta --example   (what workers write, into state/stream_deltas/)
             dreamcatcher merge

    Exit codes: 0 done, 1 a known problem, 3 a bug of ours, 75 try again later, 130 interrupted.
    """
    if verbose:
        _log_to_standard_error()


def _log_to_standard_error() -> None:
    import logging

    class ToStandardError(logging.Handler):
        """Writes to whatever standard error is at that moment: the action puts a guard in its place."""

        def emit(self, record: logging.LogRecord) -> None:
            say(self.format(record))

    logging.basicConfig(level=logging.DEBUG, format="%(message)s", handlers=[ToStandardError()])


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    prepare_streams()
    try:
        # Not `program.main`, which has ways of its own to end a program.
        with program.make_context("dreamcatcher", sys.argv[1:] if arguments is None else arguments) as context:
            code = program.invoke(context)
        sys.stdout.flush()
        return code if isinstance(code, int) else EXIT_DONE
    except BaseException as error:
        return failed(error)


def failed(error: BaseException) -> int:
    """Say what ended the program, and which exit code that is."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        say("Interrupted. The repository holds the old frame or the new one, whole; running again is safe.")
        return EXIT_INTERRUPTED
    if isinstance(error, click.ClickException):
        error.show()
        return EXIT_PROBLEM
    if isinstance(error, DreamcatcherError):
        say(str(error))
        return error.exit_code
    if isinstance(error, BrokenPipeError) or _is_rich_s_broken_pipe(error):
        # The reader of our output went away, which is its right. https://docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    if not isinstance(error, Exception):
        raise error
    import traceback

    traceback.print_exception(error)
    say("This is a bug of ours, not of your data. Nothing was half written. Please report it with the text above.")
    return EXIT_BUG


def _is_rich_s_broken_pipe(error: BaseException) -> bool:
    """Rich turns a broken pipe into SystemExit, and keeps the cause."""
    return isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError)
