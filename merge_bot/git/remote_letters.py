"""Pure. Every sentence about a remote: what it answered, why, what to change and where."""

from __future__ import annotations

from collections.abc import Sequence

from merge_bot.git.letters import said
from merge_bot.git.secrets import masked
from merge_bot.wording import printable

_SILENT = "  (it said nothing)"


def _remote(url: str) -> str:
    return printable(masked(url))


def _quote(stderr: bytes) -> str:
    return said(stderr) or _SILENT


def branch(ref: str) -> str:
    """A ref as people name it."""
    return printable(ref.removeprefix("refs/heads/"))


def unreachable(url: str, stderr: bytes) -> str:
    return (
        f"The remote {_remote(url)} could not be reached, or did not answer as a git server does:\n{_quote(stderr)}\n"
        "Nothing is lost. Check the address, the network and the proxy (https_proxy), and run this again."
    )


def silent(seconds: float | None) -> bytes:
    """What stands in for the words of a remote that said none."""
    return f"no answer within {seconds:g} seconds".encode()


def no_rights(url: str, stderr: bytes, *, writing: bool) -> str:
    what, right = ("write to", "Read and write") if writing else ("read", "Read-only")
    permission = "write" if writing else "read"
    return (
        f"The remote {_remote(url)} does not let us {what} it:\n{_quote(stderr)}\n"
        "What to change depends on whose token this is:\n"
        f"  a workflow's own: give its job `permissions: contents: {permission}`, and if the repository or the\n"
        "    organization caps that: Settings > Actions > General > Workflow permissions\n"
        f"  a fine-grained or an app's token: this repository, with Contents: {right}\n"
        "  a classic token: the scope `repo`, and Configure SSO > Authorize where the organization has single sign-on\n"
        "  a deploy key: Settings > Deploy keys, with Allow write access\n"
        "With no token given, git asks its own credential helpers; a token may also have expired."
    )


def no_repository(url: str, stderr: bytes) -> str:
    return (
        f"There is no git repository at {_remote(url)}, or this token may not see it:\n{_quote(stderr)}\n"
        "Check the address. A private repository looks absent to a token that does not cover it."
    )


def protected(url: str, ref: str, stderr: bytes) -> str:
    name = branch(ref)
    if b"GH013" in stderr or b"rule violations" in stderr:
        where = (
            f"A ruleset guards {name}: Settings > Rules > Rulesets. Add an app or a deploy key to its bypass list and "
            "merge with that token (a workflow's own token can bypass no ruleset), or take this branch out of its "
            "targets."
        )
    elif b"GH006" in stderr or b"rotected branch" in stderr:
        where = (
            f"Branch protection guards {name}: Settings > Branches. Allow the merge's token under \"Allow specified "
            'actors to bypass required pull requests", or lift the rule for this branch.'
        )
    else:
        where = "A hook or a rule of the server said so; its words are above."
    instead = (
        "Delta branches need no protection from their own workers: exclude `deltas/**`."
        if ref.startswith("refs/heads/deltas/")
        else "Or let the merge open a pull request instead of pushing (mode: pull-request)."
    )
    return f"The remote {_remote(url)} refuses pushes to {name}:\n{_quote(stderr)}\n{where}\n{instead}"


def not_pushed(url: str, ref: str, stderr: bytes) -> str:
    return (
        f"The push to {branch(ref)} of {_remote(url)} did not arrive, and nothing says that trying again is useless:\n"
        f"{_quote(stderr)}"
    )


def no_such_branch(url: str, ref: str, default: str | None, others: Sequence[str], option: str) -> str:
    """`option` is how people name the branch where they asked for it."""
    if default is not None:
        hint = f"Its default branch is {branch(default)}: was it renamed? Name the right one with {option}."
    elif others:
        hint = f"It has {', '.join(branch(one) for one in others[:5])}. Name the right one with {option}."
    else:
        hint = "It has no branches that we see."
    return f"The remote {_remote(url)} has no branch {branch(ref)}. {hint}"


def empty(url: str) -> str:
    return (
        f"The repository at {_remote(url)} is empty. Run `dreamcatcher init` in a clone of it and push that, then run "
        "this again."
    )


def no_such_remote(name: str) -> str:
    return (
        f"{printable(name)} is neither a remote of this repository (`git remote -v` lists them) nor an address. "
        "Give a URL, or the name of a remote."
    )


def odd_url(url: str) -> str:
    return (
        f"{_remote(url)} cannot be the address of a git repository. Give a URL such as https://github.com/OWNER/NAME."
    )
