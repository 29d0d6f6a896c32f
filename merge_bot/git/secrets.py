"""What must never be shown: tokens that were given to this process, and whatever looks like one."""

from __future__ import annotations

import re

_PATTERNS = (
    (r"([A-Za-z][A-Za-z0-9+.-]*://)[^/@\s]+@", r"\1***@"),
    (r"(?i)(authorization:\s*)(?:(?:basic|bearer|token)\s+)?[^\s'\"]+", r"\1***"),
    (r"\b(?:gh[a-z]_|github_pat_|glpat-)[A-Za-z0-9_-]{10,}", "***"),
)

_known: set[str] = set()  # of the whole process: a server may repeat a token in any message, also in another's


def hide(*secrets: str) -> None:
    """From now on, `masked` takes these out wherever they stand."""
    _known.update(secret for secret in secrets if secret)


def masked(text: str) -> str:
    """`text` without passwords in URLs, authorization headers, access tokens, and what `hide` was told."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, "***")
    for pattern, instead in _PATTERNS:
        text = re.sub(pattern, instead, text)
    return text
