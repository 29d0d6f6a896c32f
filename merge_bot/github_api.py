"""The edge to GitHub's API: the only file that knows it, and the only one that imports PyGithub.

Answers become small values; refusals become letters. Requests that only read are tried again a few times; one that
writes is sent once, because nobody knows whether an attempt without an answer arrived. Whoever calls finds out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import github
import requests
import urllib3

from merge_bot import github_letters as letters
from merge_bot.errors import Contended, DreamcatcherError, RemoteRefused, RemoteUnreachable, RepositoryError
from merge_bot.git.secrets import hide
from merge_bot.github_answers import (
    CommitFacts,
    Merged,
    PullRequest,
    RepositoryFacts,
    innermost,
    is_here,
    message_of,
    pull_request,
    reset_time,
    server_time,
)

API_URL = "https://api.github.com"
DISPATCH = "dreamcatcher"
_TRIES = 3
_SECONDS = 30
_PAGE, _PAGES = 100, 10
_CLOSED = 30  # how many closed pull requests are looked at, the newest first
_WAITING = {"queued", "pending", "requested", "waiting"}
_NAME = re.compile(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}\Z")
# PyGithub logs every request with headers and body; what is worth knowing of them is said here.
log = logging.getLogger("merge_bot.github")


class AlreadyThere(RemoteRefused):
    """There is an open pull request of this branch into this base."""


class GitHub:
    """One repository on one GitHub, a GitHub Enterprise Server too. `pace` is the least time between writes, s."""

    def __init__(
        self, repository: str, token: str, api_url: str = API_URL, graphql_url: str = "", *, pace: float = 1.0
    ) -> None:
        if not _NAME.match(repository):
            raise RepositoryError(letters.bad_repository(repository))
        for url in (api_url, graphql_url or api_url):
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
                raise RepositoryError(letters.bad_url(url))
        hide(token)
        self.repository, self.api_url = repository, api_url.rstrip("/")
        self.clock: datetime | None = None  # the server's, when it last answered
        # PyGithub's own way to try again waits until a rate limit is lifted, an hour if need be.
        again = urllib3.Retry(
            total=_TRIES, backoff_factor=pace / 2, status_forcelist=(500, 502, 503, 504), raise_on_status=False,
            allowed_methods=("GET",), respect_retry_after_header=False,
        )  # fmt: skip
        self._requester = github.Github(
            auth=github.Auth.Token(token), base_url=self.api_url, timeout=_SECONDS, retry=again,
            seconds_between_requests=None, seconds_between_writes=pace or None,
        ).requester  # fmt: skip
        self._graphql_url = graphql_url or self._requester.graphql_url

    # --- reading

    def facts(self) -> RepositoryFacts:
        """What kind of repository it is."""
        found = self._ask("GET", "", "look at the repository")
        ways = {"merge": "allow_merge_commit", "squash": "allow_squash_merge", "rebase": "allow_rebase_merge"}
        # Without the right to administer, GitHub may leave these out: then nothing is known to be forbidden.
        return RepositoryFacts(
            str(found["node_id"]), tuple(way for way, key in ways.items() if found.get(key) is not False)
        )

    def pull_requests(self, head: str) -> list[PullRequest]:
        """The pull requests from branch `head` of this repository: the open ones, then the newest closed ones."""
        owner = self.repository.partition("/")[0]
        asked: dict[str, Any] = {"head": f"{owner}:{head}", "sort": "created", "direction": "desc"}
        found = [
            one
            for state, count in (("open", 100), ("closed", _CLOSED))
            for one in self._ask("GET", "/pulls", "list pull requests", asked | {"state": state, "per_page": count})
        ]
        # Some servers leave the filter aside; a fork's branch may have the same name.
        return [pull_request(one) for one in found if one["head"]["ref"] == head and is_here(one)]

    def pull_request(self, number: int) -> PullRequest:
        """One pull request, with its state."""
        return pull_request(self._ask("GET", f"/pulls/{number}", "look at the pull request"))

    def commit(self, sha: str) -> CommitFacts | None:
        """A commit; None if there is none."""
        try:
            found = self._ask("GET", f"/git/commits/{quote(sha, safe='')}", "look at a commit", missing=True)
        except LookupError:
            return None
        author, committer = found["author"], found["committer"]
        return CommitFacts(found["message"], author["name"], author["email"], committer["email"], len(found["parents"]))

    def rules(self, branch: str) -> list[dict[str, Any]]:
        """The rulesets' rules that hold for a branch, each with its `type`."""
        path = f"/rules/branches/{quote(branch, safe='')}"
        found: list[dict[str, Any]] = []
        for page in range(1, _PAGES + 1):
            more = self._ask("GET", path, "look at the rules", {"per_page": _PAGE, "page": page})
            found += more
            if len(more) < _PAGE:
                break
        return found

    def protection(self, branch: str) -> dict[str, Any] | None:
        """The branch's classic protection: {} if it has none, None if the token may not see whether it has."""
        path = f"/branches/{quote(branch, safe='')}/protection"
        try:
            found: dict[str, Any] = self._ask("GET", path, "look at the branch protection", missing=True)
        except LookupError as error:
            # An answer of 404 may also mean that the token has no right to ask.
            return {} if "branch not protected" in str(error).lower() else None
        except RemoteRefused:
            return None
        return found

    def workflow_permissions(self) -> dict[str, Any] | None:
        """What workflows may do unless they say more; None if the token may not see that."""
        path = "/actions/permissions/workflow"
        try:
            found: dict[str, Any] = self._ask("GET", path, "look at the settings of Actions")
        except RemoteRefused:
            return None
        return found

    # --- pull requests

    def open_pull_request(self, head: str, base: str, title: str, body: str) -> PullRequest:
        """Raises AlreadyThere."""
        asked = {"head": head, "base": base, "title": title, "body": body}
        return pull_request(self._ask("POST", "/pulls", "open a pull request", body=asked))

    def update_pull_request(self, number: int, **changes: str) -> PullRequest:
        """Change `title`, `body`, `state` ("open", "closed")."""
        return pull_request(self._ask("PATCH", f"/pulls/{number}", "change the pull request", body=changes))

    def set_labels(self, number: int, labels: Sequence[str]) -> None:
        """The labels, in place of all others. GitHub makes those that it does not know."""
        self._ask("PUT", f"/issues/{number}/labels", "label the pull request", body={"labels": list(labels)})

    def merge(self, number: int, sha: str, method: str, title: str, message: str) -> Merged:
        """Merge now, if the head is at `sha`. What GitHub refuses is in the answer."""
        asked = {"sha": sha, "merge_method": method, "commit_title": title, "commit_message": message}
        try:
            found = self._ask("PUT", f"/pulls/{number}/merge", "merge the pull request", body=asked, merging=True)
        except _NotNow as no:
            return Merged(None, str(no), no.status == 409)
        return Merged(str(found["sha"]))

    def enable_auto_merge(self, node_id: str, sha: str, method: str, title: str, message: str) -> str | None:
        """Let GitHub merge when checks and reviews are done. None if it will, else why not."""
        asked = {"pullRequestId": node_id, "expectedHeadOid": sha, "mergeMethod": method.upper()}
        if method != "rebase":
            asked |= {"commitHeadline": title, "commitBody": message}
        kind = "EnablePullRequestAutoMergeInput"
        return self._mutate("enablePullRequestAutoMerge", kind, asked, "clientMutationId")[1]

    # --- commits and refs by GraphQL: the only way that takes an expected value

    def create_commit(
        self, branch: str, expected: str, message: str, additions: Mapping[str, str], deletions: Sequence[str]
    ) -> tuple[str, str] | str:
        """Commit onto `branch` if it is at `expected`: (commit, tree), or why not. `additions`: path → base64."""
        headline, _, body = message.partition("\n")
        asked = {
            "branch": {"repositoryNameWithOwner": self.repository, "branchName": branch},
            "expectedHeadOid": expected,
            "message": {"headline": headline, "body": body.strip("\n")},
            "fileChanges": {
                "additions": [{"path": path, "contents": data} for path, data in additions.items()],
                "deletions": [{"path": path} for path in deletions],
            },
        }
        wanted = "commit { oid tree { oid } }"
        found, why = self._mutate("createCommitOnBranch", "CreateCommitOnBranchInput", asked, wanted)
        return why if why is not None else (found["commit"]["oid"], found["commit"]["tree"]["oid"])

    def update_refs(self, changes: Sequence[tuple[str, str | None, str | None]]) -> str | None:
        """Move refs (full name, new, old; None: absent) all together or not at all. None if done, else why not."""
        nothing = "0" * 40
        updates = [
            {"name": name, "afterOid": new or nothing, "beforeOid": old or nothing, "force": True}
            for name, new, old in changes
        ]
        asked = {"repositoryId": self.facts().node_id, "refUpdates": updates}
        return self._mutate("updateRefs", "UpdateRefsInput", asked, "clientMutationId")[1]

    # --- the doorbell

    def ring(self, event: str = DISPATCH) -> str | None:
        """Start the merge's workflow by `repository_dispatch`, unless a run waits already. None if it rang, else why
        not; never raises, because the merge comes anyway.
        """
        try:
            if self._is_ringing():
                return letters.ALREADY_RINGING
            self._ask("POST", "/dispatches", "ring for the merge", body={"event_type": event})
        except DreamcatcherError as error:
            return letters.not_rung(str(error))
        return None

    def _is_ringing(self) -> bool:
        try:
            asked = {"event": "repository_dispatch", "per_page": 10}
            found = self._ask("GET", "/actions/runs", "look at the runs", asked)
        except DreamcatcherError:  # the right to see runs is not needed for the right to start one
            return False
        return any(one.get("status") in _WAITING for one in found["workflow_runs"])

    # --- asking

    def _ask(
        self, verb: str, path: str, doing: str, query: Mapping[str, Any] | None = None, body: Any = None,
        *, missing: bool = False, merging: bool = False,
    ) -> Any:  # fmt: skip
        """The JSON of an answer. Raises RemoteRefused, RemoteUnreachable, Contended; LookupError for what is `missing`,
        _NotNow where `merging` is refused.
        """
        log.debug("$ %s /repos/%s%s", verb, self.repository, path)
        url = f"/repos/{self.repository}{path}"
        try:
            headers, found = self._requester.requestJsonAndCheck(
                verb, url, parameters=dict(query or {}) or None, input=body
            )
        except github.GithubException as error:
            if missing and error.status in (404, 422):
                raise LookupError(f"{path}: {message_of(error.data, error.message)}") from None
            if merging and error.status in (405, 409):
                raise _NotNow(error.status, message_of(error.data, error.message)) from None
            self._explain(error, doing)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise RemoteUnreachable(letters.unreachable(self.api_url, innermost(error))) from None
        except (AssertionError, ValueError):
            raise RemoteRefused(letters.not_understood(doing)) from None
        self.clock = server_time(headers)
        return found

    def _mutate(self, name: str, kind: str, asked: Any, wanted: str) -> tuple[Any, str | None]:
        """The answer to a GraphQL mutation, and why it was refused (None: it was not)."""
        query = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {wanted} }} }}"
        log.debug("$ POST %s %s", self._graphql_url, name)
        try:
            _, found = self._requester.requestJsonAndCheck(
                "POST", self._graphql_url, input={"query": query, "variables": {"input": asked}}
            )
        except github.GithubException as error:
            self._explain(error, name)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise RemoteUnreachable(letters.unreachable(self.api_url, innermost(error))) from None
        except (AssertionError, ValueError):
            raise RemoteRefused(letters.not_understood(name)) from None
        errors = found.get("errors") or ()
        if any(one.get("type") == "RATE_LIMITED" for one in errors):
            raise Contended(letters.rate_limited(None))
        why = "; ".join(letters.said(one.get("message")) for one in errors)
        return (found.get("data") or {}).get(name), why or None

    def _explain(self, error: github.GithubException, doing: str) -> NoReturn:
        """Raises the letter about a refusal."""
        status, headers = error.status, {name.lower(): value for name, value in (error.headers or {}).items()}
        message = message_of(error.data, error.message)
        limited = isinstance(error, github.RateLimitExceededException) or status == 429
        if limited or (status == 403 and (headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers)):
            raise Contended(letters.rate_limited(reset_time(headers))) from None
        if status == 401:
            raise RemoteRefused(letters.bad_token(self.api_url)) from None
        if status == 403 and "not permitted to create or approve pull requests" in message:
            raise RemoteRefused(letters.may_not_open(self.repository)) from None
        if status == 403:
            raise RemoteRefused(letters.no_rights(self.repository, doing, message)) from None
        if status in (301, 307, 404):
            raise RemoteRefused(letters.not_found(self.repository, doing)) from None
        if status >= 500:
            raise RemoteUnreachable(letters.unreachable(self.api_url, f"{status} {message}")) from None
        if status == 422 and "pull request already exists" in message.lower():
            raise AlreadyThere(letters.refused(doing, status, message)) from None
        raise RemoteRefused(letters.refused(doing, status, message)) from None


class _NotNow(Exception):
    """A merge that GitHub does not do (405) or whose head is elsewhere (409)."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
