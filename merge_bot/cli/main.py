"""The `dreamcatcher` program: finds the command, and turns what goes wrong into a letter and an exit code."""

from __future__ import annotations

import logging
import sys
from importlib import import_module

import click

from merge_bot import __version__
from merge_bot.errors import EXIT_BUG, EXIT_DONE, EXIT_INTERRUPTED, EXIT_PROBLEM, DreamcatcherError

COMMANDS = {
    "init": "Put schemas, settings, a workflow and the first frame into a repository.",
    "demo": "See five workers write at once, and one merge take it all in.",
    "write": "Write a delta file into the inbox.",
    "check": "Find everything wrong with deltas, schemas, settings and state; change nothing.",
    "merge": "Merge every pending delta into one commit.",
    "status": "Show the open frame, what waits for it, and how old it is.",
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


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(__version__, prog_name="dreamcatcher")
@click.option("-v", "--verbose", is_flag=True, help="Print each git command before it runs.")
def program(verbose: bool) -> None:
    """Parallel workers write deltas; one merge per frame commits them; git keeps everything.

    Exit codes: 0 done, 1 a known problem, 3 a bug of ours, 75 try again later, 130 interrupted.
    """
    if verbose:
        logging.basicConfig(level=logging.DEBUG, format="%(message)s", stream=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    try:
        code = program.main(args=arguments, prog_name="dreamcatcher", standalone_mode=False)
        return code if isinstance(code, int) else EXIT_DONE
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return EXIT_PROBLEM
    except DreamcatcherError as error:
        _say(str(error))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say("Interrupted. The repository holds the old frame or the new one, whole; running again is safe.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away, which is its right
        return EXIT_DONE
    except Exception:
        import traceback

        traceback.print_exc()
        _say("This is a bug of ours, not of your data. Nothing was half written. Please report it with the text above.")
        return EXIT_BUG


def _say(letter: str) -> None:
    from merge_bot.cli.output import errors

    errors().print(letter, markup=False, highlight=False, soft_wrap=True)
