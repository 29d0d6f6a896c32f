"""A small GitHub on 127.0.0.1: pull requests over a real bare repository, with real merges and real conflicts.

Every exchange is held against GitHub's own documents (`github_documents`); what does not fit is in `faults`, and
leaving the context manager with any raises. It ends with its context manager, or as a process of its own
(`python -m tests.fake_github REPOSITORY`, its URL on the first line) when its standard input ends.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tests.fake_git import BareGit, Refused
from tests.fake_graphql import answer_query
from tests.github_documents import documents
from tests.serving import Server

SLUG, TOKEN = "octo/world", "ghs_0123456789abcdefghijABCDEFGHIJ012345"
NO_PULLS = "GitHub Actions is not permitted to create or approve pull requests."
Answer = tuple[int, Any]


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str, errors: list[Any] | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers
        about = {"documentation_url": "https://docs.github.com/rest", "status": str(status)}
        self.body = {"message": message, **({"errors": errors} if errors else {}), **about}


@dataclass
class Pull:
    """A pull request. `head_sha` is where its branch was when it was last looked at while open."""

    number: int
    head: str
    base: str
    title: str
    body: str
    head_sha: str
    state: str = "open"
    merge_sha: str | None = None
    draft: bool = False
    locked: bool = False
    labels: list[str] = field(default_factory=list)
    auto_merge: dict[str, str] | None = None

    @property
    def node_id(self) -> str:
        return f"PR_{self.number}"


@dataclass
class FakeGitHub:
    """The repository `octo/world`, and how it is set up. Tests change its fields; `requests` lists what was asked."""

    path: Path
    required_checks: bool = False
    allow_auto_merge: bool = True
    may_open: bool = True
    administers: bool = False
    methods: set[str] = field(default_factory=lambda: {"merge", "squash", "rebase"})
    rules: list[dict[str, Any]] = field(default_factory=list)
    protection: dict[str, Any] | None = None  # classic, of main
    delta_rules: list[dict[str, Any]] = field(default_factory=list)  # of every branch below deltas/
    delta_protection: dict[str, Any] | None = None
    refusals: list[tuple[str, Refusal]] = field(default_factory=list)
    after: dict[str, Callable[[], object]] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    dispatches: list[Any] = field(default_factory=list)
    runs: list[Any] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    passed: set[str] = field(default_factory=set)
    slow: int = 0  # so many looks at a pull request find its state unknown yet
    url: str = ""

    def __post_init__(self) -> None:
        self.git = BareGit(self.path)
        self.documents = documents()
        self.lock = threading.RLock()

    def __enter__(self) -> FakeGitHub:
        server = Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self}))
        self.url = f"http://127.0.0.1:{server.server_port}"
        self._server = server
        server.begin()
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        self._server.end()
        if kind is None and self.faults:
            raise AssertionError("\n".join(self.faults))

    @property
    def graphql_url(self) -> str:
        return f"{self.url}/graphql"

    def refuse(self, pattern: str, status: int, message: str, errors: list[Any] | None = None, **headers: str) -> None:
        """Answer the next request that `pattern` finds ("PUT .*/merge") with this."""
        self.refusals.append((pattern, Refusal(status, message, errors, **headers)))

    def checks_pass(self) -> None:
        """The required checks of every open pull request succeed; what waits for them is merged, really."""
        self.look()
        for pull in self.open_pulls():
            self.passed.add(pull.head_sha)
            if pull.auto_merge and self.state_of(pull) == "clean":
                self._merge(pull, pull.auto_merge["method"], pull.auto_merge["message"])

    def open_pulls(self) -> list[Pull]:
        return [pull for pull in self.pulls.values() if pull.state == "open"]

    def look(self) -> None:
        """Open pull requests follow their branches, as they do when somebody pushes."""
        for pull in self.open_pulls():
            head, base = self.git.tip(pull.head), self.git.tip(pull.base)
            if base and self.git.is_ancestor(pull.head_sha, base):
                pull.state, pull.merge_sha = "closed", base
            elif head is None or base is None or self.git.is_ancestor(head, base):
                pull.state = "closed"
            else:
                pull.head_sha = head

    def state_of(self, pull: Pull) -> str:
        """GitHub's `mergeable_state`."""
        base = self.git.tip(pull.base)
        if pull.draft:
            return "draft"
        if base is None or self.git.merged_tree(base, pull.head_sha) is None:
            return "dirty"
        return "blocked" if self.required_checks and pull.head_sha not in self.passed else "clean"

    # --- answers

    def answer(self, method: str, path: str, query: dict[str, str], sent: bytes, token: str) -> Answer:
        """Answer a REST request, whose path has lost its prefix. Raises Refusal."""
        for at, (pattern, refusal) in enumerate(self.refusals):
            if re.search(pattern, f"{method} {path}"):
                del self.refusals[at]
                raise refusal
        if token != TOKEN:
            raise Refusal(401, "Bad credentials")
        body = json.loads(sent) if sent else {}
        if path == "/graphql":
            return 200, answer_query(self, body)
        top, _, rest = path.removeprefix(f"/repos/{SLUG}").partition("/")
        if not path.startswith(f"/repos/{SLUG}") or top:
            raise Refusal(404, "Not Found")
        for verb, pattern, handle in _ROUTES:
            found = re.fullmatch(pattern, rest)
            if verb == method and found:
                self.look()
                return handle(self, *map(unquote, found.groups()), query, body)
        raise Refusal(404, "Not Found")

    def _repository(self, query: dict[str, str], body: Any) -> Answer:
        merges = {f"allow_{name}": method in self.methods for name, method in _METHODS.items()}
        rights = {"admin": False, "maintain": False, "push": True, "triage": True, "pull": True}
        name = SLUG.partition("/")[2]
        facts = {"name": name, "full_name": SLUG, "node_id": "R_1", "default_branch": "main", "permissions": rights,
                 "has_discussions": False}  # fmt: skip
        example = self.documents.example("full-repository")
        for gone in ("template_repository", "parent", "source", "organization"):
            example.pop(gone, None)
        return 200, example | facts | merges | {"allow_auto_merge": self.allow_auto_merge}

    def _list(self, query: dict[str, str], body: Any) -> Answer:
        wanted = query.get("state", "open")
        head = query.get("head", "").partition(":")[2]
        found = [
            pull
            for pull in self.pulls.values()
            if wanted in ("all", pull.state) and head in ("", pull.head) and query.get("base", pull.base) == pull.base
        ]
        found.sort(key=lambda one: one.number, reverse=query.get("direction", "desc") == "desc")
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        return 200, [self._shown(one, "pull-request-simple-items") for one in found[(page - 1) * size : page * size]]

    def _create(self, query: dict[str, str], body: Any) -> Answer:
        if not self.may_open:
            raise Refusal(403, NO_PULLS)
        owner, head, base = SLUG.split("/")[0], body["head"].rpartition(":")[2], body["base"]
        tips = {name: self.git.tip(branch) for name, branch in (("head", head), ("base", base))}
        for name, tip in tips.items():
            if tip is None:
                wrong = {"resource": "PullRequest", "field": name, "code": "invalid"}
                raise Refusal(422, "Validation Failed", [wrong])
        if any((one.head, one.base) == (head, base) for one in self.open_pulls()):
            raise _custom(f"A pull request already exists for {owner}:{head}.")
        if not self.git.commits(str(tips["base"]), str(tips["head"])):
            raise _custom(f"No commits between {base} and {head}")
        _fits(body)
        number = len(self.pulls) + 1
        draft = body.get("draft", False)
        pull = Pull(number, head, base, body["title"], body.get("body", ""), str(tips["head"]), draft=draft)
        self.pulls[number] = pull
        return 201, self._shown(pull)

    def _get(self, number: str, query: dict[str, str], body: Any) -> Answer:
        shown = self._shown(self._pull(number))
        if self.slow:
            self.slow, shown["mergeable"], shown["mergeable_state"] = self.slow - 1, None, "unknown"
        return 200, shown

    def _update(self, number: str, query: dict[str, str], body: Any) -> Answer:
        pull = self._pull(number)
        _fits(body)
        again = body.get("state") == "open" and pull.state == "closed"
        if again and (pull.merge_sha or self.git.tip(pull.head) != pull.head_sha):
            raise _custom("The branch was force-pushed or recreated.")
        for name in {"title", "body", "state", "base"} & set(body):
            setattr(pull, name, body[name])
        return 200, self._shown(pull)

    def _put_labels(self, number: str, query: dict[str, str], body: Any) -> Answer:
        pull = self._pull(number)
        pull.labels = body if isinstance(body, list) else body["labels"]
        return 200, [self._label(name) for name in pull.labels]

    def _put_merge(self, number: str, query: dict[str, str], body: Any) -> Answer:
        pull = self._pull(number)
        method, state = body.get("merge_method", "merge"), self.state_of(pull)
        if pull.state == "closed" or state in ("dirty", "draft"):
            raise Refusal(405, "Pull Request is not mergeable")
        if body.get("sha", pull.head_sha) != pull.head_sha:
            raise Refusal(409, "Head branch was modified. Review and try the merge again.")
        if method not in self.methods:
            raise Refusal(405, f"{method.capitalize()} merges are not allowed on this repository.")
        if state == "blocked":
            raise Refusal(405, 'Required status check "tests" is expected.')
        title = body.get("commit_title") or f"Merge pull request #{pull.number} from octo/{pull.head}"
        self._merge(pull, method, f"{title}\n\n{body.get('commit_message') or pull.title}\n")
        return 200, {"sha": pull.merge_sha, "merged": True, "message": "Pull Request successfully merged"}

    def _merge(self, pull: Pull, method: str, message: str) -> None:
        base = str(self.git.tip(pull.base))
        pull.merge_sha = self.git.merge(base, pull.head_sha, method, message)
        self.git.update_refs([(f"refs/heads/{pull.base}", pull.merge_sha, base)])
        pull.state = "closed"

    def merge(self, number: int, method: str) -> None:
        """A person presses the button."""
        self.look()
        pull = self.pulls[number]
        title = f"{pull.title} (#{number})" if method == "squash" else f"Merge pull request #{number}"
        self._merge(pull, method, f"{title}\n\n{self.git.message(pull.head_sha) if method == 'squash' else pull.title}")

    def _commit(self, sha: str, query: dict[str, str], body: Any) -> Answer:
        form = "%H%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%T%x00%P%x00%B"
        found = self.git.run("log", "-1", f"--format={form}", sha, check=False).split("\0")
        if len(found) != 10:
            raise Refusal(404, "Not Found")
        commit, an, ae, ai, cn, ce, ci, tree, parents, message = found
        base = f"{self.url}/repos/{SLUG}/git"
        example = self.documents.example("git-commit-2") | {
            "sha": commit, "url": f"{base}/commits/{commit}", "message": message,
            "author": {"name": an, "email": ae, "date": ai}, "committer": {"name": cn, "email": ce, "date": ci},
            "tree": {"sha": tree, "url": f"{base}/trees/{tree}"},
            "parents": [{"sha": one, "url": f"{base}/commits/{one}", "html_url": "https://github.com/x"}
                        for one in parents.split()],
        }  # fmt: skip
        return 200, example

    def _rules(self, branch: str, query: dict[str, str], body: Any) -> Answer:
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        rules = self.delta_rules if branch.startswith("deltas/") else self.rules
        return 200, rules[(page - 1) * size : page * size]

    def _protection(self, branch: str, query: dict[str, str], body: Any) -> Answer:
        if not self.administers:
            raise Refusal(403, "Resource not accessible by integration")
        found = {"main": self.protection}.get(branch, self.delta_protection if branch.startswith("deltas/") else None)
        if found is None:
            raise Refusal(404, "Branch not protected")
        return 200, found

    def _workflow_permissions(self, query: dict[str, str], body: Any) -> Answer:
        if not self.administers:
            raise Refusal(403, "Resource not accessible by integration")
        return 200, {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": self.may_open}

    def _ref(self, ref: str, query: dict[str, str], body: Any) -> Answer:
        tip = self.git.tip(ref.removeprefix("heads/"))
        if tip is None:
            raise Refusal(404, "Not Found")
        url = f"{self.url}/repos/{SLUG}/git"
        about = {"sha": tip, "type": "commit", "url": f"{url}/commits/{tip}"}
        return 200, {"ref": f"refs/{ref}", "node_id": "REF_1", "url": f"{url}/refs/{quote(ref)}", "object": about}

    def _runs(self, query: dict[str, str], body: Any) -> Answer:
        return 200, {"total_count": len(self.runs), "workflow_runs": self.runs}

    def _dispatch(self, query: dict[str, str], body: Any) -> Answer:
        self.dispatches.append(body)
        return 204, None

    def _pull(self, number: str) -> Pull:
        if int(number) not in self.pulls:
            raise Refusal(404, "Not Found")
        return self.pulls[int(number)]

    def _shown(self, pull: Pull, example: str = "pull-request") -> Any:
        shown = self.documents.example(example)
        shown = shown[0] if isinstance(shown, list) else shown
        merged = pull.merge_sha is not None
        for name, ref, sha in (("head", pull.head, pull.head_sha), ("base", pull.base, self.git.tip(pull.base))):
            owner, repository = SLUG.split("/")
            shown[name] |= {"ref": ref, "sha": sha or pull.head_sha, "label": f"{owner}:{ref}"}
            shown[name]["repo"] |= {"full_name": SLUG, "name": repository}
        state = self.state_of(pull) if pull.state == "open" else "unknown"
        more = {"merged": merged, "mergeable": state in ("clean", "blocked"), "mergeable_state": state}
        when = "2026-03-25T03:00:00Z"
        # What the example shows of these does not fit its own schema.
        empty = {"assignees": [], "assignee": None, "milestone": None, "requested_reviewers": [], "requested_teams": []}
        facts = {
            "number": pull.number, "state": pull.state, "locked": pull.locked, "title": pull.title, "body": pull.body,
            "draft": pull.draft, "node_id": pull.node_id, "labels": [self._label(name) for name in pull.labels],
            "url": f"{self.url}/repos/{SLUG}/pulls/{pull.number}", "merge_commit_sha": pull.merge_sha,
            "html_url": f"{self.url}/{SLUG}/pull/{pull.number}", "active_lock_reason": None,
            "merged_at": when if merged else None, "closed_at": when if pull.state == "closed" else None,
        }  # fmt: skip
        return shown | empty | facts | (more if example == "pull-request" else {})

    def _label(self, name: str) -> Any:
        url = f"{self.url}/repos/{SLUG}/labels/{quote(name)}"
        about = {"id": 1, "node_id": "LA_1", "url": url, "color": "ededed", "default": False, "description": ""}
        return about | {"name": name}


_METHODS = {"merge_commit": "merge", "squash_merge": "squash", "rebase_merge": "rebase"}
_ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", "", FakeGitHub._repository),
    ("GET", "pulls", FakeGitHub._list),
    ("POST", "pulls", FakeGitHub._create),
    ("GET", r"pulls/(\d+)", FakeGitHub._get),
    ("PATCH", r"pulls/(\d+)", FakeGitHub._update),
    ("PUT", r"pulls/(\d+)/merge", FakeGitHub._put_merge),
    ("PUT", r"issues/(\d+)/labels", FakeGitHub._put_labels),
    ("GET", r"git/commits/([0-9a-f]+)", FakeGitHub._commit),
    ("GET", r"git/ref/(.+)", FakeGitHub._ref),
    ("GET", r"rules/branches/(.+)", FakeGitHub._rules),
    ("GET", r"branches/(.+)/protection", FakeGitHub._protection),
    ("GET", "actions/permissions/workflow", FakeGitHub._workflow_permissions),
    ("POST", "dispatches", FakeGitHub._dispatch),
    ("GET", "actions/runs", FakeGitHub._runs),
]


def _custom(message: str) -> Refusal:
    return Refusal(422, "Validation Failed", [{"resource": "PullRequest", "code": "custom", "message": message}])


def _fits(body: dict[str, Any]) -> None:
    """GitHub counts characters in its words, and refuses by bytes where it stores four a character."""
    for name, limit in (("title", 256), ("body", 65536)):
        if len(str(body.get(name, "")).encode()) > limit:
            raise _custom(f"{name} is too long (maximum is {limit} characters)")


class _Handler(BaseHTTPRequestHandler):
    fake: FakeGitHub
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        path = re.sub(r"^/api/v3|^/api(?=/graphql$)", "", url.path)
        query = dict(parse_qsl(url.query))
        token = (self.headers.get("Authorization") or "").partition(" ")[2]
        headers: dict[str, str] = {}
        with self.fake.lock:
            self.fake.requests.append(f"{self.command} {path}")
            try:
                status, answer = self.fake.answer(self.command, path, query, sent, token)
            except Refusal as refusal:
                status, answer, headers = refusal.status, refusal.body, refusal.headers
            except Refused as refused:
                status, answer = 422, Refusal(422, str(refused)).body
            except Exception as error:
                status, answer = 500, {"message": f"{type(error).__name__}: {error}"}
                self.fake.faults.append(f"{self.command} {path}: {answer['message']}")
            data = b"" if answer is None else json.dumps(answer).encode()
            if path != "/graphql" and not path.startswith("/somewhere"):
                self.fake.faults += self.fake.documents.faults(
                    self.command, _one_segment(path), query, sent, status, data
                )
            due = [
                self.fake.after.pop(one) for one in list(self.fake.after) if re.search(one, f"{self.command} {path}")
            ]
        for happens in due:  # meanwhile, before the answer arrives
            happens()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *args: object) -> None:
        pass


def _one_segment(path: str) -> str:
    """A path as the document understands it: a ref's slashes are no path's."""
    found = re.match(r"(/repos/[^/]+/[^/]+/(?:git/refs?|rules/branches|branches)/)(.+?)(/protection)?\Z", path)
    return found[1] + quote(unquote(found[2]), safe="") + (found[3] or "") if found else path


if __name__ == "__main__":
    with FakeGitHub(Path(sys.argv[1])) as running:
        print(running.url, flush=True)
        sys.stdin.read()
