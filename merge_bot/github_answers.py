"""Pure. What GitHub answers, as small values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request. `state` is GitHub's `mergeable_state`, "" in listings."""

    number: int
    url: str
    node_id: str
    is_open: bool
    merged: bool
    draft: bool
    locked: bool
    head_sha: str
    base: str
    title: str
    body: str
    labels: frozenset[str]
    state: str = ""


@dataclass(frozen=True, slots=True)
class CommitFacts:
    """What GitHub knows of a commit."""

    message: str
    author: str
    author_email: str
    committer_email: str
    parents: int


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """What GitHub knows of the repository; `methods` are the ways to merge that it allows."""

    node_id: str
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """An attempt to merge: the commit that the base is at, or None and why; `moved`: the head was elsewhere."""

    commit: str | None
    why: str = ""
    moved: bool = False


def pull_request(found: Mapping[str, Any]) -> PullRequest:
    """A pull request as listings and single answers show it."""
    return PullRequest(
        number=int(found["number"]),
        url=str(found["html_url"]),
        node_id=str(found["node_id"]),
        is_open=found["state"] == "open",
        merged=bool(found.get("merged_at")),
        draft=bool(found.get("draft")),
        locked=bool(found.get("locked")),
        head_sha=str(found["head"]["sha"]),
        base=str(found["base"]["ref"]),
        title=str(found["title"]),
        body=str(found.get("body") or ""),
        labels=frozenset(str(one["name"]) for one in found.get("labels") or ()),
        state=str(found.get("mergeable_state") or ""),
    )


def reset_time(headers: Mapping[str, str]) -> str | None:
    """When a rate limit is lifted, if the headers tell."""
    told = headers.get("x-ratelimit-reset", "")
    return datetime.fromtimestamp(int(told), UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if told.isdecimal() else None


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """The clock of the server that answered, if it tells."""
    try:
        told = parsedate_to_datetime({name.lower(): text for name, text in headers.items()}["date"])
    except (LookupError, ValueError):
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def is_here(found: Mapping[str, Any]) -> bool:
    """Whether a pull request's branch lies in the repository itself."""
    head, base = (((found[side].get("repo") or {}).get("full_name")) for side in ("head", "base"))
    return head is not None and head == base


def message_of(data: Any, otherwise: str | None) -> str:
    """What GitHub said in a refusal, with the details of a 422."""
    data = data if isinstance(data, dict) else {}
    details = [one.get("message") or " ".join(str(one.get(key, "")) for key in ("resource", "field", "code"))
               if isinstance(one, dict) else str(one) for one in data.get("errors") or ()]  # fmt: skip
    return ": ".join(str(one) for one in (data.get("message") or otherwise, "; ".join(details)) if one)


def innermost(error: BaseException) -> str:
    """The innermost reason of a failed request; the outer ones repeat its URL."""
    while isinstance(inner := getattr(error, "reason", None) or (error.args or (None,))[0], BaseException):
        error = inner
    return f"{type(error).__name__}: {error}"
