"""Validating everything that arrived: one delta after the other, and where there is much, on all cores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from merge_bot.delta import Candidate, Delta
from merge_bot.findings import Rejection
from merge_bot.processes import cores, spread
from merge_bot.progress import Progress, silent

Verdict = Delta | Rejection
_MUCH = 4_000_000  # bytes; for less, starting processes takes longer than what they save


def judge_all(
    candidates: Sequence[Candidate], judge: Callable[[Candidate], Verdict], progress: Progress = silent
) -> list[tuple[Candidate, Verdict]]:
    """Each candidate with its verdict, in the order in which they came.

    Bytes that the repository has are let go as soon as they are read: the archive names their blob.
    """

    def judged(number: int) -> Verdict:
        verdict = judge(candidates[number])
        if isinstance(verdict, Delta):
            verdict.candidate = _without_bytes(verdict.candidate)
        return verdict

    alone = threading.active_count() > 1 or sum(one.size for one in candidates if one.data is not None) < _MUCH
    with spread(1 if alone else cores(), len(candidates), judged, lambda: judged) as verdicts:
        return [
            (_without_bytes(one), verdict)
            for one, verdict in zip(progress(candidates, "validate"), verdicts, strict=True)
        ]


def _without_bytes(candidate: Candidate) -> Candidate:
    return replace(candidate, data=None) if candidate.blob and candidate.data is not None else candidate
