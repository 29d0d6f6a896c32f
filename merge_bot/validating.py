"""Validating everything that arrived: one delta after the other, and where there is much, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from merge_bot.canonical import digest
from merge_bot.delta import Candidate, Delta
from merge_bot.findings import Rejection
from merge_bot.git import Repository
from merge_bot.progress import Progress, silent
from merge_bot.transports.base import MUCH

Verdict = Delta | Rejection
Judge = Callable[[Candidate], Verdict]
_AT_ONCE = 1 << 20  # bytes that are read together: each question to git is a wait


def judge_all(
    repository: Repository, candidates: Sequence[Candidate], judge: Judge, progress: Progress = silent
) -> list[tuple[Candidate, Verdict]]:
    """Each candidate with its verdict, in the order in which they came.

    What came unread is read here. Bytes that the repository has are let go afterwards: the archive names their blob.
    """
    parts = list(_parts(candidates))

    def judged_from(where: Repository) -> Callable[[int], list[tuple[str, Verdict]]]:
        def judged(number: int) -> list[tuple[str, Verdict]]:
            return [_judged(one, judge) for one in _read(parts[number], where)]

        return judged

    is_little = sum(one.size for one in candidates if not one.digest or one.data) < MUCH
    if is_little:
        return _together(candidates, map(judged_from(repository), range(len(parts))), progress)
    from merge_bot.processes import cores, spread  # most frames have no use for it

    with spread(cores(), len(parts), judged_from(repository), lambda: judged_from(repository.again())) as verdicts:
        judged = _together(candidates, verdicts, progress)
    repository.rest()
    return judged


def _together(
    candidates: Sequence[Candidate], verdicts: Iterable[Iterable[tuple[str, Verdict]]], progress: Progress
) -> list[tuple[Candidate, Verdict]]:
    every = zip(progress(candidates, "validate"), chain.from_iterable(verdicts), strict=True)
    return [(_without_bytes(one._replace(digest=found)), verdict) for one, (found, verdict) in every]


def _parts(candidates: Sequence[Candidate]) -> Iterator[Sequence[Candidate]]:
    """The candidates, some at a time."""
    start = held = 0
    for at, one in enumerate(candidates):
        if held + one.size > _AT_ONCE and at > start:
            yield candidates[start:at]
            start, held = at, 0
        held += one.size
    if candidates:
        yield candidates[start:]


def _read(part: Sequence[Candidate], repository: Repository) -> Iterator[Candidate]:
    """The candidates with their bytes, but for what is too large to be held."""
    contents = repository.read_blobs({one.blob for one in part if not one.digest})
    for one in part:
        if one.digest:
            yield one
        else:
            data = contents[one.blob]
            yield one._replace(data=data, digest=digest(data))


def _judged(candidate: Candidate, judge: Judge) -> tuple[str, Verdict]:
    verdict = judge(candidate)
    if isinstance(verdict, Delta):
        verdict.candidate = _without_bytes(candidate)
    return candidate.digest, verdict


def _without_bytes(candidate: Candidate) -> Candidate:
    return candidate._replace(data=None) if candidate.blob else candidate
