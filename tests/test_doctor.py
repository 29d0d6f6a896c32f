"""The doctor's findings: workflow text in, findings out; and `dreamcatcher doctor` around them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from merge_bot.cli.doctor import __doc__ as described
from merge_bot.doctor import Finding, Queue, Way, clock, delta_branches, protection, queue, rules
from merge_bot.doctor_workflows import examine
from merge_bot.path_filter import accepts
from merge_bot.paths import Paths
from tests.command import begun, delta, listing, run
from tests.fake_github import SLUG, TOKEN, FakeGitHub
from tests.repo import Repo

FILE, OTHER = ".github/workflows/dreamcatcher.yml", ".github/workflows/other.yml"
GOOD = (Path(__file__).parent.parent / "merge_bot/templates/workflow.yml").read_text(encoding="utf-8")
NOW = datetime(2026, 3, 25, 4, tzinfo=UTC)


def said(files: dict[str, str], *, own_action: bool = False) -> list[str]:
    """Each finding that is not fine, as `severity: what`; all three sentences have to be there."""
    found, _ = examine({path: text.encode() for path, text in files.items()}, "main", Paths(), own_action=own_action)
    assert all(one.why and one.remedy for one in found if one.severity != "fine")
    return [f"{one.severity}: {one.what}" for one in found if one.severity != "fine"]


def test_the_workflow_that_init_writes_has_no_mistake() -> None:
    found, way = examine({FILE: GOOD.encode()}, "main", Paths())
    assert found == [Finding("fine", f"{FILE} merges, and has no mistake that is known.")]
    assert way == Way()
    signed = GOOD.replace("dreamcatcher-action@v1", "dreamcatcher-action@v1\n        with: { commit-mode: api }")
    assert examine({FILE: signed.encode()}, "main", Paths())[1] == Way(signed=True)


GROUP = """concurrency:
  group: dreamcatcher # of this workflow alone; a waiting run may be replaced by a newer one, which merges as much
  cancel-in-progress: false
"""
PUSH = 'push: { paths: ["state/stream_deltas/**"] }'
NO_PUSH = f"warning: {FILE} is not started by a push to state/stream_deltas on main."
NO_CONTENTS = f"problem: {FILE}, job `merge`: the permission `contents: write` is missing."
OF_ITS_OWN = "- uses: org/dreamcatcher-action@v1\n        with: { github-token: '${{ steps.app.outputs.token }}' }"


@pytest.mark.parametrize(
    ("old", "new", "findings"),
    [
        (GROUP, "", [f"warning: {FILE} has no `concurrency` group."]),
        (
            "cancel-in-progress: false",
            "cancel-in-progress: true",
            [f"problem: {FILE} sets `cancel-in-progress: true`."],
        ),
        (
            "cancel-in-progress: false",
            "cancel-in-progress: ${{ inputs.hasty }}",
            [f"warning: {FILE} may set `cancel-in-progress: true`."],
        ),
        (
            "group: dreamcatcher #",
            "group: m-${{ github.run_id }} #",
            [f'warning: {FILE} has a `concurrency` group that differs in every run: "m-${{{{ github.run_id }}}}".'],
        ),
        ("contents: write", "contents: read", [NO_CONTENTS]),
        ("    permissions:\n      contents: write", "    env:\n      contents: write", [NO_CONTENTS]),
        (
            "permissions: {}\njobs:\n  merge:\n",
            "jobs:\n  merge:\n    x: &x\n",
            [],
        ),
        ("permissions: {}", "permissions: write-all", []),
        (
            "- uses: org/dreamcatcher-action@v1",
            "- uses: org/dreamcatcher-action@v1\n        with: { mode: pull-request }",
            [f"problem: {FILE}, job `merge`: the permission `pull-requests: write` is missing."],
        ),
        (
            "workflow_dispatch:",
            "workflow_dispatch:\n  pull_request_target:",
            [f"problem: {FILE} runs on `pull_request_target`."],
        ),
        ('  schedule: [{ cron: "17 * * * *" }]\n', "", [f"warning: {FILE} has no `schedule` trigger."]),
        ("  workflow_dispatch:\n", "", [f"warning: {FILE} has no `workflow_dispatch` trigger."]),
        (PUSH, "push: { paths: ['src/**'] }", [NO_PUSH]),
        (PUSH, "push: { branches: [release] }", [NO_PUSH]),
        (PUSH, "push: { tags: [v1] }", [NO_PUSH]),
        (PUSH, "push: { paths-ignore: ['state/**'] }", [NO_PUSH]),
        (PUSH, "push: { branches: ['ma*'], paths: ['**.json'] }", []),
        (PUSH, "push:", []),
    ],
)
def test_each_mistake_of_a_workflow_is_found(old: str, new: str, findings: list[str]) -> None:
    assert old in GOOD
    assert said({FILE: GOOD.replace(old, new)}) == findings


def test_permissions_that_nobody_wrote_down_are_the_repositorys() -> None:
    text = GOOD.replace("permissions: {}\n", "").replace(
        "    permissions:\n      contents: write", "    env:\n      a: b"
    )
    assert said({FILE: text}) == [f"warning: {FILE}, job `merge`: no `permissions` are written down."]
    assert said({FILE: text.replace("- uses: org/dreamcatcher-action@v1", OF_ITS_OWN)}) == []


def test_a_group_is_shared_by_what_it_becomes() -> None:
    other = "name: {}\non: push\nconcurrency: {}\njobs: {{}}\n"
    shared = f'problem: {FILE} shares its `concurrency` group "dreamcatcher" with "{OTHER}".'
    assert said({FILE: GOOD, OTHER: other.format("b", "Dreamcatcher")}) == [shared]
    assert said({FILE: GOOD, OTHER: other.format("dreamcatcher", "${{ github.workflow }}")}) == [shared]
    assert said({FILE: GOOD, OTHER: other.format("b", "${{ github.workflow }}")}) == []


def test_without_a_workflow_nothing_merges() -> None:
    none = "warning: No workflow in .github/workflows uses the action."
    here = GOOD.replace("org/dreamcatcher-action@v1", "./")
    assert said({}) == [none]
    assert said({FILE: here}) == [none]
    assert said({FILE: here}, own_action=True) == []
    assert said({FILE: "on: push\njobs: [1]\n"}) == [none]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"a: [", "line 1: expected the node content, but found '<stream end>'"),
        (b"\xff", "it is not YAML in UTF-8"),
        (b"- a", "a workflow is a mapping with `on` and `jobs`"),
        (b"[" * 20_000, "it is nested too deeply"),
        (b"a: &a [*a]", "line 1: found unconstructable recursive node"),
        (b"? [a]\n: b", "line 1: found unhashable key"),
    ],
)
def test_what_cannot_be_read_is_a_finding(text: bytes, why: str) -> None:
    found, _ = examine({FILE: GOOD.encode(), OTHER: text}, "main", Paths())
    assert [one.what for one in found if one.severity == "problem"] == [f"{OTHER} cannot be read: {why}."]


@pytest.mark.parametrize(
    ("script", "writes"),
    [
        ("echo 1 > state/stats.json", True),
        ('jq . x >> "./state/stats.json"', True),
        ("make | tee -a state/log.txt", True),
        ("git add state\ngit commit -m x", True),
        ("jq . a > b\nmv b state/stats.json\ngit push", True),
        ("echo 1 > state/stream_deltas/frame-1-w.json\ngit add state/stream_deltas\ngit push", False),
        ("echo the state is fine\ngit push", False),
        ("cat state/stats.json", False),
        ("echo 1 > other/state/stats.json", False),
        ("# echo 1 > state/stats.json", False),
    ],
)
def test_who_else_writes_to_the_state_is_named(script: str, writes: bool) -> None:
    lines = "".join(f"          {line}\n" for line in script.splitlines())
    step = f'on: push\njobs:\n  j:\n    steps:\n      - uses: a/b@v1\n      - name: "n\\e[1m"\n        run: |\n{lines}'
    place = f'{OTHER}, job `j`, step 2 ("n\\u001b[1m")'
    assert said({FILE: GOOD, OTHER: step}) == [f"warning: {place} seems to write below state/."] * writes


@pytest.mark.parametrize(
    ("patterns", "text", "accepted"),
    [
        (["*"], "a/b", False),
        (["**"], "a/b", True),
        (["**/b"], "b", True),
        (["*.jsx?"], "page.js", True),
        (["[a-c]+"], "abc", True),
        (["[a-c]+"], "abd", False),
        (["a.b"], "axb", False),
        (["**", "!a/**"], "a/b", False),
        (["!a/**", "**"], "a/b", True),
        (["**a" * 300], "a" * 400 + "b", False),
    ],
)
def test_filters_are_read_as_github_does(patterns: list[str], text: str, accepted: bool) -> None:
    assert accepts(patterns, text) is accepted


@pytest.mark.parametrize(
    ("kind", "way", "severity"),
    [
        ("pull_request", Way(), "problem"),
        ("pull_request", Way(own_token=True), "warning"),
        ("pull_request", Way(pull_request=True), "fine"),
        ("required_signatures", Way(), "problem"),
        ("required_signatures", Way(signed=True), "fine"),
        ("required_status_checks", Way(signed=True), "problem"),
        ("required_status_checks", Way(), "problem"),
        ("update", Way(pull_request=True), "problem"),
        ("non_fast_forward", Way(), "fine"),
        ("deletion", Way(), "fine"),
        ("commit_message_pattern", Way(), "warning"),
        ("not_invented_yet", Way(), "warning"),
    ],
)
def test_rules_are_judged_by_what_they_do_to_the_push(kind: str, way: Way, severity: str) -> None:
    (found,) = rules([{"type": kind, "ruleset_source": "octo/world", "ruleset_id": 7}], "main", way)
    assert found.severity == severity


@pytest.mark.parametrize(
    ("found", "way", "severities"),
    [
        (None, Way(), []),
        ({}, Way(), ["fine"]),
        ({"required_pull_request_reviews": {"url": "u"}}, Way(), ["problem"]),
        ({"required_pull_request_reviews": {"url": "u"}}, Way(own_token=True), ["warning"]),
        ({"required_pull_request_reviews": {"url": "u"}}, Way(pull_request=True), ["fine"]),
        ({"required_status_checks": {"contexts": []}, "lock_branch": {"enabled": True}}, Way(), ["problem"] * 2),
        ({"lock_branch": {"enabled": True}}, Way(True, True, True), ["problem"]),
        ({"lock_branch": {"enabled": False}, "required_signatures": {"enabled": False}}, Way(), ["fine"]),
        ({"required_signatures": {"enabled": True}}, Way(), ["problem"]),
        ({"required_signatures": {"enabled": True}}, Way(signed=True), ["fine"]),
        ({"restrictions": {"users": []}}, Way(pull_request=True), ["problem"]),
        (
            {"restrictions": None, "enforce_admins": {"enabled": True}, "allow_deletions": {"enabled": True}},
            Way(),
            ["fine"],
        ),
    ],
)
def test_classic_protection_is_judged_as_rules_are(found: Any, way: Way, severities: list[str]) -> None:
    assert [one.severity for one in protection(found, "main", way)] == severities


def test_classic_protection_in_the_way_is_explained() -> None:
    reviews, lock = protection({"required_pull_request_reviews": {}, "lock_branch": {"enabled": True}}, "main", Way())
    assert (reviews.what, reviews.why, reviews.remedy) == (
        "Branch protection of main has `required_pull_request_reviews`.",
        "It refuses the merge's push; the default token is no exception.",
        "Set `mode: pull-request`, or let an app pass under Settings > Branches, and give the action its token.",
    )
    assert (lock.what, lock.why, lock.remedy) == (
        "Branch protection of main has `lock_branch`.",
        "It refuses every push and every merge.",
        "Settings > Branches: unlock the branch.",
    )


def test_a_rule_in_the_way_is_explained() -> None:
    (found,) = rules([{"type": "pull_request", "ruleset_source": "octo/world", "ruleset_id": 7}], "main", Way())
    assert (found.what, found.why, found.remedy) == (
        'The rule `pull_request` holds for main (ruleset "octo/world 7").',
        "It refuses the merge's push; the default token bypasses no ruleset.",
        "Set `mode: pull-request`, or put an app or a deploy key on the ruleset's bypass list and give the action its "
        "token.",
    )


FORCE, GONE = {"type": "non_fast_forward"}, {"type": "deletion"}
FORBIDS = {"allow_force_pushes": {"enabled": False}, "allow_deletions": {"enabled": False}}


@pytest.mark.parametrize(
    ("found", "classic", "lost"),
    [
        ([FORCE, GONE], None, ""),
        ([FORCE, GONE, {"type": "creation"}], {}, ""),
        ([FORCE], None, "deleted"),
        ([GONE, "odd"], {}, "cut back by a force push"),
        ([], None, "cut back by a force push or deleted"),
        ([], FORBIDS, ""),
        ([], {"enforce_admins": {"enabled": True}}, ""),
        ([GONE], {"allow_force_pushes": {"enabled": True}}, "cut back by a force push"),
        ([FORCE], {**FORBIDS, "allow_deletions": {"enabled": True}}, "deleted"),
    ],
)
def test_branches_that_are_the_archive_have_to_stay_whole(found: Any, classic: Any, lost: str) -> None:
    (said,) = delta_branches(found, classic)
    if not lost:
        assert (said.severity, said.why, said.remedy) == ("fine", "", "")
        return
    assert (said.severity, said.what) == ("warning", f"Delta branches may be {lost}.")
    assert said.remedy.startswith("Import the README's ruleset (Settings > Rules > Rulesets): `non_fast_forward` and ")


def test_clocks_are_compared() -> None:
    minute = timedelta(minutes=1)
    assert [one.severity for one in clock(NOW, NOW + 5 * minute, NOW - 5 * minute)] == ["fine"]
    assert [one.what for one in clock(NOW, NOW + 6 * minute, NOW - 6 * minute)] == [
        "The newest commit was made 360 seconds in the future, by this machine's clock.",
        "This machine's clock is 360 seconds ahead of GitHub's.",
    ]
    assert [one.severity for one in clock(NOW, NOW - 9999 * minute, None)] == ["fine"]


def test_a_queue_is_stale_after_an_hour() -> None:
    hour = timedelta(hours=1)
    assert [one.what for one in queue(Queue(7, 2, NOW - hour), NOW)] == [
        "Frame 7 is open, 2 deltas pending, none for long."
    ]
    (both,) = queue(Queue(7, 2, NOW - 2 * hour, on_branches=1), NOW)
    assert (both.what, both.remedy) == (
        "2 deltas pending and 1 delta on delta branches, as of the last fetch, the oldest for 120 minutes.",
        "Look at the workflow's last runs; `dreamcatcher merge` merges the inbox now, with `--remote NAME` the delta "
        "branches too.",
    )
    late = Queue(7, 2, NOW - 2 * hour, 1, 2, 3, "Stop.\n  Why.")
    assert [(one.severity, one.what) for one in queue(late, NOW)] == [
        ("problem", "A merge would stop: Stop."),
        ("warning", "2 deltas pending, the oldest for 120 minutes."),
        ("fine", "1 delta held for a later frame."),
        ("fine", "2 records parked."),
        ("fine", "3 open conflicts."),
    ]


# --- the command


@pytest.fixture
def fake(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    begun(repo)
    repo.git("clone", "-q", "--bare", str(repo.path), str(tmp_path / "hub.git"))
    with FakeGitHub(tmp_path / "hub.git") as running:
        monkeypatch.setenv("GITHUB_API_URL", running.url)
        monkeypatch.setenv("DREAMCATCHER_TOKEN", TOKEN)
        yield running


def test_a_fresh_repository_is_in_order(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DREAMCATCHER_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    before = listing(begun(repo).path)
    done = run("doctor", "--repo", repo.path, "--github", SLUG)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(
        "0 problems and 0 warnings on main.\n\n"
        "In order\n"
        f"  {FILE} merges, and has no mistake that is known.\n"
        "  This machine's clock agrees with the newest commit.\n"
        "  Frame 405 is open, 0 deltas pending, none for long.\n\n"
        "Not looked at\n"
        "  GitHub itself (rulesets, settings, its clock): give --github OWNER/NAME, and a token in DREAMCATCHER_TOKEN "
        "or GITHUB_TOKEN.\n\n"
        "Who writes what\n"
    )
    assert listing(repo.path) == before


def test_the_data_is_what_its_description_says(repo: Repo) -> None:
    begun(repo).commit({FILE: b"a: [", "state/stream_deltas/frame-405-w1.json": delta("w1")})
    done = run("doctor", "--repo", repo.path, "--json")
    names = [line.split()[0] for line in (described or "").splitlines() if line.startswith("    ") and line[4] != " "]
    assert list(done.json) == names
    assert (done.code, done.json["ok"]) == (1, False)
    whats = [one["what"] for one in done.json["findings"] if one["severity"] != "fine"]
    assert whats[1] == "No workflow in .github/workflows uses the action." and "1 delta pending" in whats[2]
    paths = [one["path"] for one in done.json["writers"]]
    assert {"state/stream_deltas/", "state/stats.json", "state/_control/", "state/_meta.json"} <= set(paths)
    assert all(all(one.values()) for one in done.json["writers"])


def test_damaged_state_and_settings_do_not_end_the_visit(repo: Repo) -> None:
    begun(repo).commit({"state/_meta.json": b"{", ".github/dreamcatcher.yml": b"?: ["})
    done = run("doctor", "--repo", repo.path)
    assert (done.code, done.err) == (1, "")
    assert "A merge would stop: " in done.out and "Who writes what" in done.out


def test_github_is_asked_where_there_is_a_token(repo: Repo, fake: FakeGitHub) -> None:
    done = run("doctor", "--repo", repo.path, "--github", SLUG)
    assert done.code == 0
    assert "  No ruleset's rule on main stands in the merge's way.\n" in done.out
    assert "agrees with GitHub's clock and the newest commit.\n" in done.out
    assert "Whether actions may open pull requests: only an administrator's token sees that.\n" in done.out
    fake.rules = [{"type": "required_signatures", "ruleset_source_type": "Repository", "ruleset_source": SLUG,
                   "ruleset_id": 1}]  # fmt: skip
    fake.administers = True
    done = run("doctor", "--repo", repo.path, "--github", SLUG)
    assert done.code == 1
    assert f'The rule `required_signatures` holds for main (ruleset "{SLUG} 1").\n' in done.out
    assert "  GitHub Actions may open pull requests here.\n" in done.out


def test_rules_are_read_to_the_last_page(repo: Repo, fake: FakeGitHub) -> None:
    kinds = ["deletion"] * 100 + ["required_signatures"]
    fake.rules = [
        {"type": kind, "ruleset_source_type": "Repository", "ruleset_source": SLUG, "ruleset_id": 1} for kind in kinds
    ]
    done = run("doctor", "--repo", repo.path, "--github", SLUG)
    assert "The rule `required_signatures` holds for main" in done.out
    fake.rules.pop()
    assert "None of the 100 rules on main stands" in run("doctor", "--repo", repo.path, "--github", SLUG).out


def test_delta_branches_are_looked_at_where_they_are_the_archive(repo: Repo, fake: FakeGitHub) -> None:
    ask = ("doctor", "--repo", repo.path, "--github", SLUG)
    assert "Delta branches" not in run(*ask).out
    repo.commit({".github/dreamcatcher.yml": b"archive: branches\n"})
    done = run(*ask)
    assert (done.code, "  Delta branches may be cut back by a force push or deleted.\n" in done.out) == (0, True)
    rule = {"ruleset_source_type": "Repository", "ruleset_source": SLUG, "ruleset_id": 1}
    fake.delta_rules = [{**FORCE, **rule}, {**GONE, **rule}]
    fine = "  Delta branches, which are the archive here, can be neither cut back nor deleted.\n"
    assert fine in run(*ask).out
    fake.delta_rules, fake.administers = [], True
    fake.delta_protection = {"url": "https://github.com/x", **FORBIDS}
    assert fine in run(*ask).out


def test_where_nobody_can_look_whether_the_archive_is_protected_it_says_so(repo: Repo) -> None:
    begun(repo).commit({".github/dreamcatcher.yml": b"archive: branches\n"})
    done = run("doctor", "--repo", repo.path)
    assert "  Whether delta branches, which are the archive here (`archive: branches`), are protected ag" in done.out


NOT_SEEN = (
    "  Classic branch protection (Settings > Branches): only a token with Administration: read sees that. Rulesets "
    "were looked at.\n"
)


def test_classic_protection_is_read_where_it_may_be_seen(repo: Repo, fake: FakeGitHub) -> None:
    assert NOT_SEEN in run("doctor", "--repo", repo.path, "--github", SLUG).out
    fake.administers = True
    done = run("doctor", "--repo", repo.path, "--github", SLUG)
    assert "  main has no classic branch protection.\n" in done.out and NOT_SEEN not in done.out
    fake.protection = {"required_signatures": {"url": "https://github.com/x", "enabled": True}}
    done = run("doctor", "--repo", repo.path, "--github", SLUG)
    assert (done.code, "  Branch protection of main has `required_signatures`.\n" in done.out) == (1, True)
    fake.refuse("GET .*/protection", 404, "Not Found")
    done = run("doctor", "--repo", repo.path, "--github", SLUG)
    assert (done.code, NOT_SEEN in done.out) == (0, True)


def test_deltas_on_branches_wait_in_the_queue_too(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(repo)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-03-25T00:00:00Z")
    commit = repo.git("commit-tree", "HEAD^{tree}", "-m", "a delta")
    repo.git("update-ref", "refs/remotes/origin/deltas/w1", commit)
    done = run("doctor", "--repo", repo.path)
    assert "  0 deltas pending and 1 delta on delta branches, as of the last fetch, the oldest for " in done.out


def test_a_token_without_rights_leaves_the_rest(repo: Repo, fake: FakeGitHub) -> None:
    fake.refuse("GET .*/rules/", 403, "Resource not accessible")
    done = run("doctor", "--repo", repo.path, "--github", SLUG)
    assert (done.code, done.err) == (0, "")
    assert "  GitHub itself: The token may not look at the rules in octo/world (403): " in done.out
