"""A remote: what its refs are, fetching, and one push under an exact lease, judged by what the remote ref says then.

Neither exit codes nor error texts tell whether a push arrived: a reply may be lost, an error be about another ref. So
after each attempt the ref is read again. Texts only explain why nothing happened.
"""

from __future__ import annotations

import re
import secrets as random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from merge_bot.errors import (
    DreamcatcherError,
    NoSuchBranch,
    RemoteUnreachable,
    RepositoryError,
)
from merge_bot.git import remote_letters as letters
from merge_bot.git.answers import NO_RIGHTS, unread
from merge_bot.git.credentials import Credentials, address, refuse_odd, without_password
from merge_bot.git.partial import gives_no_objects, leaves_nothing_out
from merge_bot.git.process import Finished, raw, text
from merge_bot.git.repository import Repository

__all__ = ["Advertised", "Credentials", "Outcome", "Pushed", "Remote"]

SEEN_REFS = "refs/dreamcatcher/seen/"
_WHOLE = "refs/dreamcatcher/whole/"
_ANY_CODE = range(-256, 256)
_ALL_THERE_IS = 2**31 - 1  # a depth that git takes for all there is
SILENCE = 60  # seconds without a byte after which a transfer over HTTP is given up
PATIENCE = 120  # seconds for a remote of any kind to tell its refs

_NO_REF = re.compile(rb"couldn't find remote ref|no such remote ref")
_REFUSED = re.compile(
    rb"\[remote rejected\] \((?!.*(lock ref|update ref|incorrect old|fetch first|internal|timeout))", re.I
)


class Outcome(StrEnum):
    """What a push came to: `mine` (at the tip, or behind it), `moved` (somebody else's), `unmoved`, `refused`."""

    MINE = "mine"
    MOVED = "moved"
    UNMOVED = "unmoved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Pushed:
    """How a push ended. `tip` is what the remote ref says; `letter` tells why, unless it is mine."""

    outcome: Outcome
    tip: str | None
    letter: str = ""


@dataclass(frozen=True, slots=True)
class Advertised:
    """Refs of a remote: full name → id; and the full name of its default branch, if that exists and the remote says."""

    refs: dict[str, str]
    default: str | None


class Remote:
    """One remote of a repository, by its name there or by URL. A URL may carry a password; it is taken out at once."""

    def __init__(
        self, repository: Repository, url_or_name: str = "origin", credentials: Credentials | None = None
    ) -> None:
        self.repository = repository
        self.option = "--base"  # how people name the branch that `branch` is asked for
        self._git = repository.transfers
        self._sources: dict[str, None] = {}  # the refs that were fetched, as the remote names them
        self.name, urls = self._resolve(url_or_name)
        self.url, found = without_password(urls[0])
        if self.name != url_or_name:
            self.name = self.url
        self.push_url = without_password(urls[-1])[0]
        self.credentials = credentials or found
        if self.credentials:
            for url in dict.fromkeys(without_password(one)[0] for one in urls):
                if url.lower().startswith(("http://", "https://")):
                    self._git.tell(*self.credentials.settings(url))
        if repository.partial:
            repository.bring_by(self._bring)
        # A server that accepts the connection and says nothing more must not hold a job for hours.
        self._git.tell(("http.lowSpeedLimit", "1"), ("http.lowSpeedTime", str(SILENCE)))

    # --- reading

    def advertised(self, *patterns: str) -> Advertised:
        """The remote's refs that match (`refs/heads/main`, `refs/heads/deltas/*`), and its default branch.

        Raises RemoteUnreachable, RemoteRefused.
        """
        wanted = ("HEAD", *patterns)
        done = self._run("ls-remote", "--quiet", "--symref", "--", self.name, *wanted, seconds=PATIENCE)
        refs: dict[str, str] = {}
        default, head = None, False
        for line in text(done.out).splitlines():
            one, _, name = line.partition("\t")
            if one.startswith("ref: "):
                default = one.removeprefix("ref: ") if name == "HEAD" else default
            elif name == "HEAD":
                head = True
            elif any(fnmatchcase(name, pattern) for pattern in patterns):
                refs[name] = one
        return Advertised(refs, default if head else None)

    def tips(self, *patterns: str) -> dict[str, str]:
        """Full name → id of the remote's refs that match. Raises RemoteUnreachable, RemoteRefused."""
        return self.advertised(*patterns).refs

    def tip(self, ref: str) -> str | None:
        """What the remote ref says now; None if there is none. Raises RemoteUnreachable, RemoteRefused."""
        return self.tips(ref).get(ref)

    def branch(self, name: str | None = None) -> str:
        """The full name of a branch that exists there, by default the default branch.

        Raises RepositoryError for an empty repository, NoSuchBranch, and what `tips` raises.
        """
        ref = None if name is None else name if name.startswith("refs/") else f"refs/heads/{name}"
        found = self.advertised(*((ref,) if ref else ()))
        if ref is None and found.default is not None:
            return found.default
        if ref is not None and ref in found.refs:
            return ref
        raise self.no_branch(ref or "HEAD")

    def no_branch(self, ref: str) -> RepositoryError:
        """The letter about a branch that is not there: an empty repository, or a renamed branch."""
        found = self.advertised("refs/heads/*")
        if not found.refs:
            return RepositoryError(letters.empty(self.url))
        default = found.default if found.default != ref else None
        return NoSuchBranch(letters.no_such_branch(self.url, ref, default, sorted(found.refs), self.option))

    # --- fetching

    def fetch(
        self,
        refspecs: Sequence[str],
        *,
        depth: int | None = None,
        deepen: int | None = None,
        prune: bool = False,
    ) -> None:
        """Fetch; only the refs that `refspecs` name move. `depth` counts from the tips, `deepen` from the cut.

        Into a repository of our own (`git.partial`) the contents of files do not come, where the server can leave them
        out. Raises NoSuchBranch, RemoteUnreachable, RemoteRefused.
        """
        options = [
            *([f"--depth={depth}"] if depth else []),
            *([f"--deepen={deepen}"] if deepen else []),
            *(["--prune"] if prune else []),
            "--no-show-forced-updates",
        ]
        self._sources |= dict.fromkeys(
            one for refspec in refspecs if (one := refspec.lstrip("+").partition(":")[0]).startswith("refs/")
        )
        self._fetch(*options, refspecs=refspecs)

    def fetch_objects(self, ids: Iterable[str]) -> None:
        """Fetch single files' contents, all in one request; what is here already is not asked for.

        Raises GitFailed if the remote lacks one of them, or gives out no single objects; else as `fetch`.
        """
        done = self._fetch_ids(("fetch",), ids)
        if done.code != 0:
            raise self._failure(("fetch", "--stdin", "--", self.name), done)

    def fetch_behind(self, prefix: str) -> None:
        """Fetch all that the remote's refs below `prefix` hold; no ref of ours moves. Raises as `fetch`."""
        seen = f"{SEEN_REFS}{random.token_hex(8)}/"
        try:
            self.fetch([f"+{prefix}*:{seen}*"], depth=_ALL_THERE_IS if self.repository.is_shallow else None)
        finally:
            gone = b"".join(b"delete %s\0\0" % raw(name) for name in self.repository.refs(seen))
            self._git.run("update-ref", "-z", "--stdin", stdin=gone, ok=_ANY_CODE, writes=True)

    def _fetch(self, *options: str, refspecs: Sequence[str]) -> None:
        partial = self.repository.partial

        def command() -> tuple[str, ...]:
            return (
                *(partial.fetch() if partial else ("fetch",)), "--quiet", "--no-tags", "--no-write-fetch-head",
                "--no-recurse-submodules", "--refmap=", *options, "--", self.name, *refspecs,
            )  # fmt: skip

        done = self._tried(*command(), writes=True)
        if partial and partial.leaves and done.code != 0 and leaves_nothing_out(done.err):
            partial.leaves = False
            done = self._tried(*command(), writes=True)
        if done.code != 0:
            raise self._failure(command(), done)

    def _bring(self, ids: Sequence[str]) -> None:
        """Fetch contents that stayed here, all in one request. Raises RemoteUnreachable, RemoteRefused.

        A server that gives out no single objects is asked once more for all that was fetched, this time with contents.
        """
        partial = self.repository.partial
        assert partial is not None
        done = self._fetch_ids(partial.fetch(), ids)
        if done.code == 0:
            return
        if not gives_no_objects(done.err) and (failure := unread(self.url, done.err)):
            raise failure
        partial.leaves = False
        self.repository.bring_by(None)
        self._fetch("--refetch", refspecs=[f"+{one}:{_WHOLE}{one}" for one in self._sources])

    def _fetch_ids(self, fetch: Sequence[str], ids: Iterable[str]) -> Finished:
        return self._tried(
            "-c", "fetch.negotiationAlgorithm=noop", *fetch, "--quiet", "--no-tags", "--no-write-fetch-head",
            "--no-recurse-submodules", "--refmap=", "--stdin", "--", self.name,
            stdin="".join(f"{one}\n" for one in sorted(set(ids))).encode(), writes=True,
        )  # fmt: skip

    # --- pushing

    def push(self, new: str, ref: str, old: str | None) -> Pushed:
        """Move the remote's `ref` from `old` (None: it must not exist) to commit `new`, or say what happened instead.

        Raises RemoteUnreachable if the ref cannot be read afterwards: then nobody knows, so begin with reading it.
        """
        done = self._git.run(
            "push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed", "--recurse-submodules=no",
            f"--force-with-lease={ref}:{old or ''}", "--", self.name, f"{new}:{ref}", ok=_ANY_CODE, writes=True,
        )  # fmt: skip
        tip = self.tip(ref)
        if tip == new:
            return Pushed(Outcome.MINE, tip)
        if tip == old:
            return self._nothing_happened(done, ref, tip)
        if tip is not None and self.holds(ref, new):
            return Pushed(Outcome.MINE, tip)
        return Pushed(Outcome.MOVED, tip, letters.not_pushed(self.url, ref, done.err))

    def holds(self, ref: str, commit: str) -> bool:
        """Whether the remote's branch is at `commit` or has it behind it. Raises as `fetch`."""
        seen = f"{SEEN_REFS}{random.token_hex(8)}"
        try:
            self.fetch([f"+{ref}:{seen}"])
            tip = self.repository.resolve(seen)
            return tip is not None and self.repository.is_ancestor(commit, tip)
        except NoSuchBranch:
            return False
        finally:
            self._git.run("update-ref", "-d", seen, ok=_ANY_CODE, writes=True)

    def _nothing_happened(self, done: Finished, ref: str, tip: str | None) -> Pushed:
        said = done.err + done.out
        if NO_RIGHTS.search(done.err):
            return Pushed(Outcome.REFUSED, tip, letters.no_rights(self.url, done.err, writing=True))
        if _REFUSED.search(said):
            return Pushed(Outcome.REFUSED, tip, letters.protected(self.url, ref, _spoken(done)))
        return Pushed(Outcome.UNMOVED, tip, letters.not_pushed(self.url, ref, _spoken(done)))

    def _run(self, *arguments: str, seconds: float | None = None) -> Finished:
        try:
            done = self._git.run(*arguments, ok=_ANY_CODE, seconds=seconds)
        except TimeoutError:
            raise RemoteUnreachable(letters.unreachable(self.url, letters.silent(seconds))) from None
        if done.code != 0:
            raise self._failure(arguments, done)
        return done

    def _tried(self, *arguments: str, stdin: bytes = b"", writes: bool = False) -> Finished:
        return self._git.run(*arguments, stdin=stdin, ok=_ANY_CODE, writes=writes)

    def _failure(self, arguments: Sequence[str], done: Finished) -> DreamcatcherError:
        if match := _NO_REF.search(done.err):
            line = done.err[match.end() :].split(b"\n", 1)[0].strip()
            return self.no_branch(line.decode("utf-8", "replace"))
        return unread(self.url, done.err) or self._git.failed(arguments, done.code, done.err)

    def _resolve(self, url_or_name: str) -> tuple[str, list[str]]:
        """The name to give to git, and the URLs that it stands for. Raises RepositoryError."""
        refuse_odd(url_or_name)
        urls: list[str] = []
        for option in ((), ("--push",)):
            found = self._git.run("remote", "get-url", *option, "--", url_or_name, ok=_ANY_CODE)
            if found.code == 0:
                urls += text(found.out).splitlines()[:1]
        if urls:
            return url_or_name, urls
        address(url_or_name)
        return "", [url_or_name]


def _spoken(done: Finished) -> bytes:
    """What git and the server said, the refusal of the ref itself last."""
    refusals = [line.replace(b"\t", b" ") for line in done.out.splitlines() if line.startswith(b"!")]
    return b"\n".join([done.err.rstrip(b"\n"), *refusals])
