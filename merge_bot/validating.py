"""Validating everything that arrived: one delta after the other, and where there is much, on all cores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from merge_bot.canonical import digest
from merge_bot.delta import Candidate, Delta
from merge_bot.findings import Rejection
from merge_bot.git import Repository
from merge_bot.processes import cores, spread
from merge_bot.progress import Progress, silent
from merge_bot.transports.base import MUCH

Verdict = Delta | Rejection
Judge = Callable[[Candidate], Verdict]


def judge_all(
    repository: Repository, candidates: Sequence[Candidate], judge: Judge, progress: Progress = silent
) -> list[tuple[Candidate, Verdict]]:
    """Each candidate with its verdict, in the order in which they came.

    What came unread is read here. Bytes that the repository has are let go afterwards: the archive names their blob.
    """

    def judged_from(where: Repository) -> Callable[[int], tuple[str, Verdict]]:
        def judged(number: int) -> tuple[str, Verdict]:
            one = _read(candidates[number], where)
            verdict = judge(one)
            if isinstance(verdict, Delta):
                verdict.candidate = _without_bytes(one)
            return one.digest, verdict

        return judged

    alone = threading.active_count() > 1 or sum(one.size for one in candidates if not one.digest or one.data) < MUCH
    jobs = 1 if alone else cores()
    with spread(jobs, len(candidates), judged_from(repository), lambda: judged_from(repository.again())) as verdicts:
        return [
            (_without_bytes(replace(one, digest=found)), verdict)
            for one, (found, verdict) in zip(progress(candidates, "validate"), verdicts, strict=True)
        ]


def _read(candidate: Candidate, repository: Repository) -> Candidate:
    if candidate.digest:
        return candidate
    data = repository.read_blob(candidate.blob)
    return replace(candidate, data=data, digest=digest(data))


def _without_bytes(candidate: Candidate) -> Candidate:
    return replace(candidate, data=None) if candidate.blob else candidate
