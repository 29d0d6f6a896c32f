"""`python -m merge_bot` is `dreamcatcher`."""

from __future__ import annotations

import sys

from merge_bot.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
