"""Pure. Every sentence about GitHub: what happened, why, what to do now."""

from __future__ import annotations

from collections.abc import Sequence

from merge_bot.wording import printable, quoted

MAX_SAID = 500


def said(message: object) -> str:
    """GitHub's own sentence, short, with nothing in it that a reader cannot see."""
    text = printable(str(message or "").strip())
    return text if len(text) <= MAX_SAID else f"{text[:MAX_SAID]}…"


# --- the API


def bad_url(url: str) -> str:
    return f"{quoted(url)} is not the address of GitHub's API. Write one like https://api.github.com."


def bad_repository(name: str) -> str:
    return f"{quoted(name)} is not a repository's name. Write OWNER/NAME."


def bad_token(api_url: str) -> str:
    return (
        f"GitHub ({api_url}) does not accept the token (401). It may have expired, been revoked, or belong to another "
        "server. Give a valid one (`github-token`); inside a workflow the default token needs no setting."
    )


def may_not_open(repository: str) -> str:
    return (
        f"GitHub Actions may not open pull requests in {repository}, so none was opened; the branch is pushed. Allow "
        "it under Settings > Actions > General > Workflow permissions: tick `Allow GitHub Actions to create and "
        "approve pull requests` (an organisation can forbid it: then its owner has to allow it there first), or give "
        "`github-token` a token of an app or a person. Then run the merge again."
    )


def no_rights(repository: str, doing: str, message: object) -> str:
    return (
        f"The token may not {doing} in {repository} (403): {said(message)}\n"
        "In the workflow, give the job `permissions: {contents: write, pull-requests: write}`; a fine-grained token "
        "or an app needs both rights on this repository. Nothing is lost: run the merge again."
    )


def not_found(repository: str, doing: str) -> str:
    return (
        f"GitHub knows no {repository}, or the token may not see it, or what it needs to {doing} is gone (404). Check "
        "the repository's name and the token's rights, and run the merge again."
    )


def refused(doing: str, status: int, message: object) -> str:
    return f"GitHub refused to {doing} ({status}): {said(message)}"


def rate_limited(reset: str | None) -> str:
    until = f" It is lifted at {reset}." if reset else " It is lifted within the hour."
    return f"GitHub's rate limit is reached, so nothing more was asked of it.{until} Nothing is lost: run again then."


def unreachable(api_url: str, what: object) -> str:
    return (
        f"GitHub's API ({api_url}) did not answer as it should, tried several times: {said(what)}\n"
        "Nothing is lost: run the merge again in a while."
    )


def not_understood(doing: str) -> str:
    return (
        f"GitHub's answer to the request to {doing} has not the documented form. Is the API's address right, and is a "
        "proxy in between?"
    )


def not_rung(why: str) -> str:
    return f"The merge was not rung for; it comes with the next run of its workflow. {why}"


ALREADY_RINGING = "A run of the workflow waits already, and will take everything along."


# --- pull requests


def two_open(numbers: Sequence[int], head: str) -> str:
    return (
        f"Several pull requests are open from branch {printable(head)}: {_numbers(numbers)}. Which of them is meant "
        "cannot be told, so all were left alone. Close all but the one into the right base, and run the merge again."
    )


def not_ours(number: int, head: str) -> str:
    return (
        f"Pull request #{number} from branch {printable(head)} does not carry our marker in the first line of its "
        "text, so it was left alone, and the frame was not proposed. If it is ours and its text was edited, close it: "
        "the next run opens a new one. Otherwise let it use another branch."
    )


def branch_taken(head: str, tip: str, who: str) -> str:
    return (
        f"Branch {printable(head)} exists, and its newest commit {tip[:12]}, by {said(who)}, is no frame of ours, so "
        "it was left alone, and the frame was not proposed. That name is needed here: rename or delete the branch, and "
        "run the merge again."
    )


def touched(number: int, tip: str, who: str) -> str:
    return (
        f"Pull request #{number} was changed by hand ({tip[:12]}, by {said(who)}), so it was left alone; newer deltas "
        "wait. Merge it, or close it and delete its branch: the next run then proposes everything that waits."
    )


def locked(number: int) -> str:
    return f"Pull request #{number} is locked, so it was left alone; newer deltas wait. Unlock it, or merge it."


def vetoed(number: int) -> str:
    return (
        f"Pull request #{number}, with the same deltas, was closed without being merged. That is taken as a no, until "
        "the set of deltas changes. To change your mind, reopen it; to take a delta out, "
        "quarantine it (a `drop` with a reason)."
    )


def withdrawn(number: int) -> str:
    return f"Pull request #{number} was closed: nothing is left to merge."


# --- merging


def waits_for_checks(number: int, method: str) -> str:
    return f"Pull request #{number} merges by itself ({method}) when its required checks and reviews are done."


def is_draft(number: int) -> str:
    return f"Pull request #{number} is a draft, so it was not merged. Mark it as ready for review."


def conflicts_with_base(number: int, base: str) -> str:
    return (
        f"Pull request #{number} conflicts with {printable(base)}, so it was not merged. The next run makes it anew "
        "from there."
    )


def not_merged(number: int, message: object) -> str:
    return f"Pull request #{number} was not merged. GitHub says: {said(message)}"


def no_auto_merge(number: int, repository: str, message: object) -> str:
    return (
        f"Pull request #{number} waits: its base needs checks or reviews, and auto-merge could not be enabled. "
        f"GitHub says: {said(message)}\nAllow it in {repository} under Settings > General > Pull Requests > "
        "`Allow auto-merge`, or merge it by hand."
    )


def method_not_allowed(method: str, repository: str, allowed: Sequence[str]) -> str:
    return (
        f"{repository} does not allow merging by {method}, only by {', '.join(allowed) or 'nothing'}. Change "
        "`auto-merge`, or allow it under Settings > General > Pull Requests."
    )


# --- verified commits


def too_large_for_api(files: int, size: int) -> str:
    return (
        f"The frame ({files:,} files, {size:,} bytes) is larger than GitHub's API takes in one commit, so it was "
        "committed with git, and GitHub does not show it as verified."
    )


def other_tree(expected: str, found: str) -> str:
    return (
        f"The commit that GitHub made has the tree {found}, where {expected} was meant. It was not used. "
        "Use `commit-mode: git`, and please report this."
    )


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(f"#{one}" for one in sorted(numbers))
