"""Pure. What a step says to the steps after it: the action's outputs, all of them text.

    operation               `none`, `pushed`, `created`, `updated`, `merged`, or `contended` (nothing landed: run again)
    frame                   the frame that was merged or is proposed; empty if nothing was pending
    commit-sha              the frame's commit; empty if there is none
    pull-request-number     the pull request that the run was about, and its page; empty if there is none
    pull-request-url
    deltas-merged           how many deltas entered the frame
    deltas-quarantined      how many may not enter
    conflicts               how many conflicts the frame opened
    parked                  how many records wait after it
    state-digest            git's tree id of the canonical state, as the frame's manifest names it
    oldest-pending-seconds  how long the first pending delta had been waiting when the run looked; 0 if none was

Without a frame the counts are 0, and the digest is that of the state as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from merge_bot.findings import REFUSED_OUTCOMES

if TYPE_CHECKING:
    from merge_bot.frame import Result

NAMES = (
    "operation", "frame", "commit-sha", "pull-request-number", "pull-request-url", "deltas-merged",
    "deltas-quarantined", "conflicts", "parked", "state-digest", "oldest-pending-seconds",
)  # fmt: skip


def outputs_of(result: Result, state_digest: str, oldest: int) -> dict[str, str]:
    """Every output of a run that came to its end. `state_digest` is that of the base, `oldest` in seconds."""
    frame, published = result.frame, result.published
    values: dict[str, object] = {
        "operation": published.operation,
        "frame": frame.number if frame else "",
        "commit-sha": published.commit or "",
        "pull-request-number": published.number or "",
        "pull-request-url": published.url,
        "deltas-merged": frame.merged_deltas if frame else 0,
        "deltas-quarantined": frame.count(*REFUSED_OUTCOMES) if frame else 0,
        "conflicts": len(frame.conflicts) if frame else 0,
        "parked": len(frame.parked) if frame else 0,
        "state-digest": frame.manifest.state_tree if frame else state_digest,
        "oldest-pending-seconds": oldest,
    }
    return {name: str(values[name]) for name in NAMES}
