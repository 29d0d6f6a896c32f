"""GitHub's own description of its API: every exchange with the fake is held against it.

Two pinned npm packages, fetched once into `.cache/github` and checked by their digests. Where npm is missing, the tests
that need them are skipped, with the reason among pytest's warnings.
"""

from __future__ import annotations

import base64
import fcntl
import functools
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.responses.exceptions import ResponseNotFound
from openapi_core.testing import MockRequest, MockResponse

CACHE = Path(__file__).parent.parent / ".cache" / "github"
OPENAPI = (
    "@octokit/openapi@23.0.2",
    "pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==",
    "package/generated/api.github.com.json",
)
GRAPHQL = (
    "@octokit/graphql-schema@15.26.1",
    "RFDC2MpRBd4AxSRvUeBIVeBU7ojN/SxDfALUd7iVYOSeEK3gZaqR2MGOysj4Zh2xj2RY5fQAUT+Oqq7hWTraMA==",
    "package/schema.graphql",
)
REPOSITORY = "/repos/{owner}/{repo}"
PATHS = [REPOSITORY] + [
    f"{REPOSITORY}/{rest}"
    for rest in (
        "pulls", "pulls/{pull_number}", "pulls/{pull_number}/merge", "issues/{issue_number}/labels", "dispatches",
        "git/commits/{commit_sha}", "git/ref/{ref}", "git/refs", "git/refs/{ref}", "rules/branches/{branch}",
        "branches/{branch}/protection",
        "actions/runs", "actions/permissions/workflow",
    )
]  # fmt: skip
# What GitHub answers on any path, documented there or not.
ANYWHERE = {401, 403, 404, 405, 422, 429, 500, 502, 503}
# The home before tests get one of their own: npm's settings are there.
_HOME = os.environ.get("HOME", "")


class Documents:
    """The two documents, ready to judge."""

    def __init__(self, openapi: dict[str, Any], graphql: str) -> None:
        self._examples = openapi["components"]["examples"]
        self._openapi = OpenAPI.from_dict(openapi, config=Config(spec_validator_cls=None))
        self.schema: GraphQLSchema = build_schema(graphql, assume_valid=True)

    def example(self, name: str) -> Any:
        """A copy of an object that the document shows."""
        return json.loads(json.dumps(self._examples[name]["value"]))

    def faults(
        self, method: str, path: str, query: dict[str, str], sent: bytes, status: int, answered: bytes
    ) -> list[str]:
        """What is wrong with an exchange; empty if nothing is. `path` begins with /repos, slashes of refs as %2F.

        Two known quirks: labels may be sent as a bare array (the document shows it in words alone), and some
        statuses are answered everywhere.
        """
        bare_labels = path.endswith("/labels") and sent.startswith(b"[")
        request = MockRequest(
            "http://127.0.0.1", method.lower(), path, args=query or None, content_type="application/json",
            data=json.dumps({"labels": json.loads(sent)}).encode() if bare_labels else sent or None,
        )  # fmt: skip
        response = MockResponse(answered, status, content_type="application/json")
        found = []
        try:
            self._openapi.validate_request(request)
        except OpenAPIError as error:
            found.append(f"request {method} {path}: {_told(error)}")
        try:
            self._openapi.validate_response(request, response)
        except ResponseNotFound:
            if status not in ANYWHERE:
                found.append(f"response {status} to {method} {path} is not documented")
        except OpenAPIError as error:
            found.append(f"response {status} to {method} {path}: {_told(error)}")
        return found


def _told(error: BaseException) -> str:
    """An error and what caused it, without the document's examples."""
    causes = getattr(error.__cause__, "schema_errors", ()) or ()
    told = "; ".join(f"{'/'.join(map(str, one.absolute_path))}: {one.message[:200]}" for one in causes)
    return told or f"{type(error).__name__} {str(error)[:300]}"


@functools.cache
def documents() -> Documents:
    """The documents, fetched if need be. Skips the test, and warns why, where that is impossible."""
    part = hashlib.sha256("".join(PATHS).encode()).hexdigest()[:8]
    openapi, graphql = CACHE / f"{_plain(OPENAPI[0])}-{part}.json", CACHE / f"{_plain(GRAPHQL[0])}.graphql"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not graphql.exists():
                _put(graphql, _fetch(*GRAPHQL))
            if not openapi.exists():
                _put(openapi, json.dumps(_part(json.loads(_fetch(*OPENAPI)))).encode())
        except (OSError, subprocess.SubprocessError) as error:
            reason = f"GitHub's API documents could not be fetched with npm, so its API is NOT tested: {error}"
            warnings.warn(reason, stacklevel=2)
            pytest.skip(reason)
    return Documents(json.loads(openapi.read_bytes()), graphql.read_text(encoding="utf-8"))


def _fetch(package: str, digest: str, member: str) -> bytes:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("there is no npm on PATH")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [npm, "pack", "--silent", "--pack-destination", folder, package],
            cwd=folder, env={**os.environ, "HOME": _HOME}, check=True, capture_output=True, timeout=300,
        )  # fmt: skip
        (packed,) = Path(folder).glob("*.tgz")
        found = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        if found != digest:
            raise OSError(f"{package} has the digest {found}, not the pinned one")
        with tarfile.open(packed) as archive:
            file = archive.extractfile(member)
            assert file is not None
            return file.read()


def _put(place: Path, data: bytes) -> None:
    temporary = place.with_suffix(".tmp")
    temporary.write_bytes(data)
    temporary.replace(place)


def _part(document: dict[str, Any]) -> dict[str, Any]:
    """The paths that are used, and what they refer to: a fiftieth of the whole, which takes a second to read."""
    paths = {path: document["paths"][path] for path in PATHS}
    components: dict[str, dict[str, Any]] = {}
    todo = _references(paths)
    while todo:
        kind, name = todo.pop().split("/")[2:]
        if name not in components.setdefault(kind, {}):
            components[kind][name] = document["components"][kind][name]
            todo |= _references(components[kind][name])
    head = {name: document[name] for name in ("openapi", "info")}
    return head | {"servers": [{"url": "http://127.0.0.1"}], "paths": paths, "components": components}


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {one for part in node for one in _references(part)}
    if not isinstance(node, dict):
        return set()
    here = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return here | {one for part in node.values() for one in _references(part)}


def _plain(package: str) -> str:
    return package.strip("@").replace("/", "-")
