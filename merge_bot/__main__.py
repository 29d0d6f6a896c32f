"""`python -m merge_bot` is `dreamcatcher`."""

from __future__ import annotations

from typing import NoReturn

from merge_bot.brief import brief, end
from merge_bot.errors import EXIT_INTERRUPTED


def main() -> NoReturn:
    """Run the program, and end the process with its exit code."""
    with brief():
        try:
            from merge_bot.cli.main import main as run  # within reach of Ctrl-C, which may come while it loads

            code = run()
        except KeyboardInterrupt:
            code = EXIT_INTERRUPTED
        end(code)


if __name__ == "__main__":
    main()
