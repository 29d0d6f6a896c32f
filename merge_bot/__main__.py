"""`python -m merge_bot` is `dreamcatcher`."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from merge_bot.errors import EXIT_INTERRUPTED

_SELDOM = 100_000


def main() -> int:
    """Run the program and return its exit code."""
    try:
        with brief():
            from merge_bot.cli.main import main as run  # within reach of Ctrl-C, which may come while it loads

            return run()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


@contextmanager
def brief() -> Iterator[None]:
    """In a process that ends with this, garbage is looked for seldom, and not once more when it ends.

    Both took a seventh of a small merge: importing makes objects by the ten thousand, and hardly any garbage.
    """
    gc.set_threshold(_SELDOM)
    try:
        yield
    finally:
        gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
