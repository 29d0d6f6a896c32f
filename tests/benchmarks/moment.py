"""The time of the measured frame, by itself: whoever measures a start must not load how its deltas were made."""

from __future__ import annotations

from datetime import UTC, datetime

NOW = datetime(2026, 3, 1, 1, tzinfo=UTC)
"""When the measured frame is merged: after each delta's own time."""
