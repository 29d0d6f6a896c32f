"""The fake GitHub's GraphQL: documents are checked against GitHub's schema and executed by graphql-core."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, graphql_sync

from tests.fake_git import ZEROS, Refused

if TYPE_CHECKING:
    from tests.fake_github import FakeGitHub


def answer_query(fake: FakeGitHub, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a GraphQL request. What does not fit the schema is a fault, besides being an error."""
    fake.look()
    result = graphql_sync(
        fake.documents.schema, body["query"], root_value=_Roots(fake), variable_values=body.get("variables")
    )
    answer: dict[str, Any] = {"data": result.data}
    errors = []
    for error in result.errors or ():
        kind = (error.extensions or {}).get("type")
        if kind is None:
            fake.faults.append(f"GraphQL: {error}")
        errors.append({"type": kind, "path": error.path, "message": error.message})
    return answer | ({"errors": errors} if errors else {})


class _Roots:
    """The fields that queries and mutations begin with."""

    def __init__(self, fake: FakeGitHub) -> None:
        self._fake = fake

    def repository(self, info: object, owner: str, name: str, **rest: object) -> Any:
        return {"id": "R_1", "nameWithOwner": f"{owner}/{name}"}

    def enablePullRequestAutoMerge(self, info: object, input: dict[str, Any]) -> Any:
        fake = self._fake
        pull = next((one for one in fake.pulls.values() if one.node_id == input["pullRequestId"]), None)
        if pull is None:
            raise _error("NOT_FOUND", f"Could not resolve to a node with the global id of '{input['pullRequestId']}'.")
        state = fake.state_of(pull)
        if not fake.allow_auto_merge:
            raise _error("UNPROCESSABLE", "Pull request Auto merge is not allowed for this repository")
        if pull.state != "open" or state in ("clean", "dirty", "draft"):
            raise _error("UNPROCESSABLE", f"Pull request Pull request is in {state} status")
        if input.get("expectedHeadOid", pull.head_sha) != pull.head_sha:
            raise _error("UNPROCESSABLE", "Head sha didn't match expected_head_oid")
        method = str(input.get("mergeMethod", "MERGE")).lower()
        if method not in fake.methods:
            raise _error("UNPROCESSABLE", f"{method.capitalize()} merges are not allowed on this repository")
        title = input.get("commitHeadline") or f"Merge pull request #{pull.number}"
        pull.auto_merge = {"method": method, "message": f"{title}\n\n{input.get('commitBody') or pull.title}\n"}
        return {"pullRequest": {"id": pull.node_id, "number": pull.number}}

    def createCommitOnBranch(self, info: object, input: dict[str, Any]) -> Any:
        git, branch = self._fake.git, input["branch"]["branchName"].removeprefix("refs/heads/")
        tip, expected = git.tip(branch), input["expectedHeadOid"]
        if tip is None:
            raise _error("NOT_FOUND", "A branch with that name was not found")
        stale = f'Expected branch to point to "{expected}" but it did not. Pull and try again.'
        if tip != expected:
            raise _error("STALE_DATA", stale)
        changes = input.get("fileChanges") or {}
        added = {one["path"]: base64.b64decode(one["contents"], validate=True) for one in changes.get("additions", ())}
        message = input["message"]["headline"] + "\n\n" + (input["message"].get("body") or "")
        removed = [one["path"] for one in changes.get("deletions", ())]
        commit = git.commit_files(tip, added, removed, message)
        try:
            git.update_refs([(f"refs/heads/{branch}", commit, tip)])
        except Refused as error:
            raise _error("STALE_DATA", stale) from error
        return {"commit": {"oid": commit, "tree": {"oid": git.tree(commit)}}}

    def updateRefs(self, info: object, input: dict[str, Any]) -> Any:
        git = self._fake.git
        changes = []
        for one in input["refUpdates"]:
            name, new, old = one["name"], one["afterOid"], one.get("beforeOid")
            now = git.tip(name.removeprefix("refs/heads/"))
            if old is not None and old != (now or ZEROS):
                raise _error("UNPROCESSABLE", f"Reference {name} is not at {old}")
            if now and new != ZEROS and not one.get("force") and not git.is_ancestor(now, new):
                raise _error("UNPROCESSABLE", f"Reference {name} cannot be updated: not a fast forward")
            changes.append((name, new, now or ZEROS))
        git.update_refs(changes)
        return {"clientMutationId": input.get("clientMutationId")}


def _error(kind: str, message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"type": kind})
