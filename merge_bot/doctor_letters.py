"""Pure. Every sentence of the doctor: what there is, why it matters, what to do."""

from __future__ import annotations

from collections.abc import Sequence

from merge_bot.wording import counted, listed, named, printable, quoted

Letter = tuple[str, str, str]


def step_place(file: str, job: str, step: int, name: str) -> str:
    return f"{printable(file)}, job {named(job)}, step {step}{f' ({quoted(name)})' if name else ''}"


# --- workflows


def no_workflow(folder: str) -> Letter:
    return (
        f"No workflow in {folder} uses the action.",
        "Nothing merges by itself: deltas wait until somebody runs `dreamcatcher merge`.",
        "`dreamcatcher init` writes one; or copy the README's to .github/workflows/dreamcatcher.yml.",
    )


def unreadable(file: str, why: str) -> Letter:
    return (
        f"{printable(file)} cannot be read: {printable(why)}.",
        "GitHub does not run such a workflow, and whether it writes to the state is not known.",
        "Repair the YAML; `actionlint` names the place.",
    )


def workflow_fine(file: str) -> str:
    return f"{printable(file)} merges, and has no mistake that is known."


def no_group(file: str) -> Letter:
    return (
        f"{printable(file)} has no `concurrency` group.",
        "Every push starts a merge beside the others: one lands, the others merge again in vain.",
        "Write `concurrency: {group: dreamcatcher, cancel-in-progress: false}` at the top level.",
    )


def group_of_each_run(file: str, group: str) -> Letter:
    return (
        f"{printable(file)} has a `concurrency` group that differs in every run: {quoted(group)}.",
        "That is as good as none: merges run beside each other, one lands, the others merge again in vain.",
        "Write `group: dreamcatcher`.",
    )


def cancels(file: str, *, perhaps: bool) -> Letter:
    return (
        f"{printable(file)} {'may set' if perhaps else 'sets'} `cancel-in-progress: true`.",
        "A steady stream of deltas then ends every merge before it lands, and none ever does.",
        "Write `cancel-in-progress: false`: a waiting run takes all that came meanwhile.",
    )


def shared_group(file: str, group: str, others: Sequence[str]) -> Letter:
    return (
        f"{printable(file)} shares its `concurrency` group {quoted(group)} with {listed(others)}.",
        "GitHub keeps one waiting run a group: a run of the other workflow can take the merge's place.",
        "Give the merge a group of its own, as `group: dreamcatcher`.",
    )


def no_permissions(file: str, job: str) -> Letter:
    return (
        f"{printable(file)}, job {named(job)}: no `permissions` are written down.",
        "The repository's default decides, which for new repositories is read-only: then the push ends in a 403.",
        "Write `permissions: {}` at the top level and `permissions: {contents: write}` on the job.",
    )


def no_permission(file: str, job: str, missing: str) -> Letter:
    what = "push the frame" if missing == "contents" else "open the pull request"
    return (
        f"{printable(file)}, job {named(job)}: the permission `{missing}: write` is missing.",
        f"The default token may not {what}: that ends in a 403.",
        f"Write `{missing}: write` below the job's `permissions`.",
    )


def pull_request_target(file: str) -> Letter:
    return (
        f"{printable(file)} runs on `pull_request_target`.",
        "Anybody who opens a pull request from a fork starts a job that may write to this repository.",
        "Remove the trigger. Deltas arrive by push, on delta branches, or by `repository_dispatch`.",
    )


def no_safety_net(file: str, missing: Sequence[str]) -> Letter:
    return (
        f"{printable(file)} has no {listed(missing, 'or')} trigger.",
        "A push or a ring that GitHub loses leaves deltas waiting until the next one."
        if "schedule" in missing
        else "Nobody can start a merge by hand.",
        'Add `schedule: [{cron: "17 * * * *"}]` and `workflow_dispatch:` below `on:`.',
    )


def push_misses(file: str, inbox: str, branch: str) -> Letter:
    return (
        f"{printable(file)} is not started by a push to {printable(inbox)} on {printable(branch)}.",
        "Deltas in the inbox wait for the schedule or for somebody to start a merge.",
        f"Add `push: {{paths: [{quoted(inbox + '/**')}]}}` below `on:`.",
    )


def foreign_writer(place: str, state: str) -> Letter:
    folder = printable(state)
    return (
        f"{place} seems to write below {folder}/.",
        "Only the merge writes there: the next one would stop at the foreign edit.",
        f"Let the step write a delta instead (`dreamcatcher write` or `submit`); only {folder}/stream_deltas/ is open.",
    )


# --- rulesets and settings


def rule(kind: str, sources: Sequence[str], branch: str, own_token: bool, refuses: bool) -> Letter:
    effect = "refuses" if refuses else "may refuse"
    why = f"It {effect} the merge's push" + (
        ", unless the token's owner is on the ruleset's bypass list, which cannot be seen from here."
        if own_token
        else "; the default token bypasses no ruleset."
    )
    bypass = "put an app or a deploy key on the ruleset's bypass list and give the action its token"
    if kind == "update":
        remedy = f"Leave this branch out of the rule, or {bypass}; a pull request's merge is an update too."
    elif kind == "required_signatures":
        remedy = f"Set `commit-mode: api` (GitHub makes the commit and signs it), or {bypass}."
    elif refuses:
        remedy = f"Set `mode: pull-request`, or {bypass}."
    else:
        remedy = f"See whether a frame's commit and paths keep the rule; if not, {bypass}."
    return f"The rule {named(kind)} holds for {printable(branch)} (ruleset {listed(sources)}).", why, remedy


def rules_fine(count: int, branch: str) -> str:
    held = f"None of the {counted(count, 'rule')}" if count else "No ruleset's rule"
    return f"{held} on {printable(branch)} stands in the merge's way."


def protected(name: str, kind: str, branch: str, own_token: bool) -> Letter:
    what = f"Branch protection of {printable(branch)} has {named(name)}."
    if name == "lock_branch":
        return what, "It refuses every push and every merge.", "Settings > Branches: unlock the branch."
    why = "It refuses the merge's push" + (
        ", unless it makes an exception for the token's owner." if own_token else "; the default token is no exception."
    )
    allow = "let an app pass under Settings > Branches, and give the action its token"
    ways = {
        "required_signatures": "Set `commit-mode: api` (GitHub makes the commit and signs it)",
        "update": "Take the restriction away",
    }
    return what, why, f"{ways.get(kind, 'Set `mode: pull-request`')}, or {allow}."


def protection_fine(branch: str, *, there: bool) -> str:
    name = printable(branch)
    return (
        f"Nothing in the branch protection of {name} stands in the merge's way."
        if there
        else (f"{name} has no classic branch protection.")
    )


def archive_unprotected(missing: Sequence[str]) -> Letter:
    ways = {"non_fast_forward": "cut back by a force push", "deletion": "deleted"}
    return (
        f"Delta branches may be {' or '.join(ways[one] for one in missing)}.",
        "They are the archive here (`archive: branches`): what is lost there cannot be replayed, nor put up again.",
        "Import the README's ruleset (Settings > Rules > Rulesets): `non_fast_forward` and `deletion` for "
        "refs/heads/deltas/**.",
    )


ARCHIVE_PROTECTED = "Delta branches, which are the archive here, can be neither cut back nor deleted."
ARCHIVE_NOT_SEEN = (
    "Whether delta branches, which are the archive here (`archive: branches`), are protected against force pushes and "
    "deletion."
)

MAY_OPEN = "GitHub Actions may open pull requests here."
MAY_NOT_OPEN: Letter = (
    "GitHub Actions may not open pull requests here.",
    "The workflow uses `mode: pull-request` with the default token: that ends in a 403.",
    "Settings > Actions > General > Workflow permissions: tick `Allow GitHub Actions to create and approve pull "
    "requests`; or give the action an app's token.",
)


# --- clock and queue


def commit_ahead(seconds: int) -> Letter:
    return (
        f"The newest commit was made {counted(seconds, 'second')} in the future, by this machine's clock.",
        "One of two clocks is wrong. The latest write wins, so a clock that is ahead wins unduly.",
        "Set the clock of this machine, or of the one that committed, by NTP.",
    )


def clock_off(seconds: int) -> Letter:
    side = "ahead of" if seconds > 0 else "behind"
    return (
        f"This machine's clock is {counted(abs(seconds), 'second')} {side} GitHub's.",
        "The latest write wins, so deltas written here win or lose unduly; far ahead, they are quarantined.",
        "Set the clock by NTP.",
    )


def clock_fine(*, against_server: bool) -> str:
    other = "GitHub's clock and the newest commit" if against_server else "the newest commit"
    return f"This machine's clock agrees with {other}."


NO_FRAME: Letter = (
    "No frame is open on this branch.",
    "There is nothing that a merge could build on.",
    "Run `dreamcatcher init`.",
)


def stops(why: str) -> Letter:
    first, *more = why.splitlines() or [""]
    return (
        f"A merge would stop: {printable(first)}",
        " ".join(printable(line.strip()) for line in more),
        "`dreamcatcher check` names every place and its remedy.",
    )


def _pending(count: int, on_branches: int) -> str:
    there = f"{counted(on_branches, 'delta')} on delta branches, as of the last fetch" if on_branches else ""
    return " and ".join(one for one in (f"{counted(count, 'delta')} pending", there) if one)


def stale(count: int, on_branches: int, seconds: int) -> Letter:
    now = "`dreamcatcher merge` merges the inbox now"
    return (
        f"{_pending(count, on_branches)}, the oldest for {counted(seconds // 60, 'minute')}.",
        "The workflow merges once an hour at the latest, so it does not run, or does not end well.",
        f"Look at the workflow's last runs; {now}, with `--remote NAME` the delta branches too.",
    )


def queue_fine(frame: int, count: int, on_branches: int) -> str:
    return f"Frame {frame} is open, {_pending(count, on_branches)}, none for long."


def held(count: int) -> Letter:
    return (f"{counted(count, 'delta')} held for a later frame.", "They are merged when that frame is open.", "")


def parked(count: int) -> Letter:
    return (f"{counted(count, 'record')} parked.", "They wait for what they refer to. See `dreamcatcher status`.", "")


def conflicts(count: int) -> Letter:
    return (f"{counted(count, 'open conflict')}.", "Each holds all its values. See `dreamcatcher status`.", "")


# --- single-writer discipline: the one writer, what others do, when it is reconciled, who may read it stale

Answers = tuple[str, str, str, str]
_MERGE, _DELTAS, _FRAME = "the merge", "write deltas", "each frame, in one commit"
BY_WORKERS: Answers = (
    "each worker its own files",
    "leave them alone; the merge takes them away",
    "each frame: merged, held or quarantined",
    "nobody needs it; versions are read from history",
)
BY_THE_MERGE: Answers = (_MERGE, _DELTAS, _FRAME, "workers and readers: the newest frame")
OPEN_CONFLICTS: Answers = (_MERGE, "resolve by a newer write in a delta", _FRAME, "people who resolve them")
PARKED_RECORDS: Answers = (_MERGE, "write what is missing as a delta", "each frame: tried again", "people who look")
BOOKS: Answers = (_MERGE, "leave it alone", _FRAME, "nobody: the next merge reads its own base")
ARCHIVE: Answers = (_MERGE, "read it", "never: a frame is not changed again", "everybody: old frames stay true")
CLOCK: Answers = (_MERGE, "read it", _FRAME, "workers: a delta for a closed frame is late, not lost")
