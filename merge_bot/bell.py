"""The doorbell: after a delta arrived, GitHub is asked to start the merge's workflow (`repository_dispatch`).

Nothing depends on it. Why it did not ring is said beside the delta's arrival.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from merge_bot import submit_letters
from merge_bot.actions import NO_TOKEN, api_access
from merge_bot.submit import Bell, Submitted

_SLUG = re.compile(r"/*([A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}?)(?:\.git)?/*\Z")
_SCP_LIKE = re.compile(r"(?:[^/:]+@)?[^/:]+:(?!/)(.+)\Z", re.DOTALL)


def bell(environment: Mapping[str, str], repository: str | None = None) -> Bell:
    """Rings for `repository` (OWNER/NAME; by default the one that the remote's URL names), with the environment's
    token. What hinders it becomes a note of the delta's arrival."""

    def ring(done: Submitted) -> None:
        from merge_bot.github_api import GitHub

        token, api_url = api_access(environment)
        slug = repository or slug_of(done.url)
        if slug is None:
            told: str | None = submit_letters.no_slug(done.url)
        elif not token:
            told = submit_letters.no_bell_token(NO_TOKEN)
        else:
            told = GitHub(slug, token, api_url).ring()
        if told:
            done.notes.append(told)

    return ring


def slug_of(url: str) -> str | None:
    """The OWNER/NAME that a remote's URL ends with; None if it has another shape."""
    path = urlsplit(url).path if "://" in url else found[1] if (found := _SCP_LIKE.match(url)) else ""
    match = _SLUG.match(path)
    return match[1] if match else None
