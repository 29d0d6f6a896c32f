"""From blobs to candidates, for every transport that lies in git."""

from __future__ import annotations

from collections.abc import Mapping

from merge_bot.canonical import digest
from merge_bot.delta import Candidate
from merge_bot.git import Repository
from merge_bot.transports.base import Span

SUBMODULE = "160000"


def read_candidates(
    repository: Repository,
    found: Mapping[tuple[str, str], tuple[str, bool]],
    span: Span,
    arrived: Mapping[tuple[str, str], int],
) -> list[Candidate]:
    """Candidates by path and blob. `found` maps (path, blob) to (mode, whether it still lies there).

    `arrived` maps them to when that was committed, in seconds since 1970.

    Sizes before contents: what is larger than the span's limit is hashed in a stream and never held.
    """
    blobs = {blob for (_, blob), (mode, _) in found.items() if mode != SUBMODULE}
    sizes = repository.sizes(blobs)
    small = {blob for blob in blobs if (sizes[blob] or 0) <= span.max_bytes}
    is_much = span.at_once is not None and sum(sizes[blob] or 0 for blob in small) > span.at_once
    contents = {} if is_much else repository.read_blobs(small)
    digests = {blob: "" if blob not in contents else digest(contents[blob]) for blob in small}
    for blob in blobs - small:
        digests[blob] = repository.digest_blob(blob)
    candidates = []
    for (path, blob), (mode, at_tip) in sorted(found.items()):
        when = arrived.get((path, blob))
        if mode == SUBMODULE:
            data = blob.encode()
            one = Candidate(path, "", mode, len(data), data, digest(data), at_tip, arrived=when)
        else:
            size = sizes[blob] or 0
            one = Candidate(path, blob, mode, size, contents.get(blob), digests[blob], at_tip, arrived=when)
        candidates.append(one)
    return candidates
