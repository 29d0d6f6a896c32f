"""`python -m merge_bot` is `dreamcatcher`."""

from __future__ import annotations

import sys

from merge_bot.errors import EXIT_INTERRUPTED


def main() -> int:
    """Run the program and return its exit code."""
    try:
        from merge_bot.cli.main import main as run  # within reach of Ctrl-C, which may come while it loads

        return run()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
