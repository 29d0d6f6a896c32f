"""Dream Catcher: parallel workers write deltas, one merge per frame commits them, git keeps everything.

The map, bottom first. A module imports only from its own line or the lines above it.

    errors  findings  canonical  delta  collection  tree  strict_json  resources
    settings  messages  paths  state  manifest  ledger
    strategies  layouts
    schemas  delta_schema  validate  admit  check  merge
    git  actions
    transports  publish
    collect  snapshot
    frame  worker
    cli  __main__

Nouns, families and verbs (the first four lines) are pure: bytes and values in, bytes and values out.
"""

from __future__ import annotations

__version__ = "0.1.0"
