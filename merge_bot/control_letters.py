"""Pure. What is said about decisions: why a request was refused, what the settings should say, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from merge_bot.messages import meant
from merge_bot.wording import listed, named, quoted


def setting_stream_id(text: str) -> str:
    return f"{quoted(text)} is not a worker's id: 1 to 64 letters, digits, _ and -, the first a letter or digit."


def not_an_operator(op: str, stream_id: str, operators: Sequence[str]) -> str:
    known = f"operators are {listed(operators)}" if operators else "nobody is one"
    return (
        f"{named(op)} is for operators, and {named(stream_id)} is none: {known}. The settings name them "
        "(operators: [NAME] in .github/dreamcatcher.yml); send it as one of those."
    )


def not_in_quarantine(digest: str, frame: int) -> str:
    return (
        f"Frame {frame} quarantined no delta {digest[:12]}…. `dreamcatcher quarantine list` shows what waits there, "
        "with its digest and frame."
    )


def not_undone(digest: str, frame: int) -> str:
    return (
        f"Frame {frame} is no rollback that undid delta {digest[:12]}…. `dreamcatcher show {frame}` tells what it did."
    )


def bad_amendment(digest: str, problems: Sequence[str], more: int) -> str:
    listed_ = "; ".join(problems) + (f"; and {more:,} more" if more > 0 else "")
    return f"What was to take the place of delta {digest[:12]}… may not enter either: {listed_}"


def of_another(found: str, right: str) -> tuple[str, str]:
    return f"the original is of {named(right)}, not of {named(found)}.", f"Write it as {named(right)}."


def decided_before(digest: str, outcome: str, frame: int) -> str:
    return f"Delta {digest[:12]}… is no longer waiting there: it was settled in frame {frame} ({outcome})."


def up_already(digest: str) -> str:
    return f"Delta {digest[:12]}… was put up again already, and waits in the inbox."


def outlives_rollback(op: str) -> str:
    return f"A rollback undoes no {named(op)}: it was decided when the delta came first, and still holds."


def arrived_again(digest: str) -> str:
    return f"Delta {digest[:12]}… came once more and is settled in this very frame; its receipt says how."


def bytes_not_at_hand(digest: str, frame: int, branch: str | None, commit: str | None) -> str:
    if commit is not None:
        return (
            f"The bytes of delta {digest[:12]}…, which frame {frame} merged, are kept on the branch deltas/{branch} "
            f"alone (archive: branches), in commit {commit}, and could not be fetched. Push that commit to the branch "
            "again, from a clone that has it, and ask once more."
        )
    return (
        f"The bytes of delta {digest[:12]}… are no longer in frame {frame}'s folder (keep-frames), only in history. "
        "`dreamcatcher quarantine show` reads them there; submit them once more, and they are looked at again."
    )


# --- who may write


def setting_workers_of_open() -> str:
    return (
        "workers says who may write, but enrolment is open, so everybody may. Add `enrolment: listed`, or leave "
        "workers out."
    )


def setting_no_collection(worker: str, name: str, near: str | None) -> str:
    return f"workers: {worker}: {quoted(name)} is not a collection{meant(near)}"


def not_enrolled(stream_id: str) -> tuple[str, str]:
    return (
        f"{named(stream_id)} is not enrolled here (enrolment: listed).",
        "An operator adds it to `workers` in .github/dreamcatcher.yml; then the same delta may be sent again.",
    )


def collection_not_allowed(stream_id: str, collection: str, allowed: Sequence[str]) -> tuple[str, str]:
    may = f"it may write to {listed(allowed)}" if allowed else "it may write to no collection"
    return (
        f"{named(stream_id)} may not write to {named(collection)}: {may}.",
        "Leave these operations out, or have an operator add the collection in .github/dreamcatcher.yml.",
    )


def worker_disabled(name: str, bad: int) -> tuple[str, str]:
    return (
        f"{named(name)} is disabled: {bad:,} of its deltas in a row were bad. This one waits unread.",
        f"Find out what is wrong with the worker; then `dreamcatcher worker enable {name} --requeue`.",
    )


def not_disabled(name: str) -> str:
    return f"{named(name)} is not disabled, so there is nothing to enable."


# --- leases


def fenced(name: str, found: int | None, epoch: int, *, is_held: bool) -> tuple[str, str]:
    now = f"the lease of {named(name)} has epoch {epoch}" if is_held else f"nobody holds the lease of {named(name)}"
    what = "the delta names no epoch" if found is None else f"the delta is of epoch {found}"
    return (
        f"{now[0].upper()}{now[1:]}, and {what}.",
        f"Claim it (`dreamcatcher worker claim {name}`), compute again from what stands then, and send that.",
    )


def lease_held(name: str, epoch: int, holder: str, is_silent: bool) -> str:
    then = "It is silent: reclaim it, and claim then." if is_silent else "Wait until it is released, or is silent."
    return f"The lease of {named(name)} is held under epoch {epoch}, since delta {holder[:12]}… claimed it. {then}"


def other_lease(op: str, name: str, epoch: int, now: int, *, is_held: bool) -> str:
    held = f"{named(name)} holds epoch {now}" if is_held else f"{named(name)} holds no lease (epoch {now} is next)"
    return f"This {op} names epoch {epoch}, but {held}: nothing was ended."


def not_silent(name: str, seen: int, seen_at: str, frames: int, seconds: int) -> str:
    return (
        f"{named(name)} was last heard of in frame {seen}, at {seen_at}. Its lease may be reclaimed after {frames:,} "
        f"frames or {seconds:,} seconds of silence (settings: lease), or by an operator."
    )
