"""Pure. Every sentence about handing a delta to a remote."""

from __future__ import annotations

from merge_bot.messages import Letter
from merge_bot.wording import named, printable


def commit_message(frame: int, worker: str) -> str:
    """The subject of a delta's commit: the worker's id has been checked by then, and nothing else is its text."""
    return f"delta: frame {frame}, {worker}\n"


def other_worker(found: object, worker: str) -> Letter:
    return (
        f"The delta says that it is of {named(str(found))}, but it is submitted for {named(worker)}.",
        f"Submit it with --worker {printable(str(found))}, or correct its stream_id: a delta branch takes only its own "
        "worker's deltas.",
    )


def other_frame(found: object, frame: int) -> Letter:
    return (
        f"The delta says that it is for frame {printable(str(found))}, but --frame says {frame}.",
        "Leave --frame away, or correct the delta.",
    )


def other_run(found: object, run: str) -> Letter:
    says = f"run {named(str(found))}" if found is not None else "no run"
    return (
        f"The delta names {says}, but --run says {named(run)}.",
        "Leave --run away: the run of a whole delta stands in its _meta.",
    )


def no_frame(why: str) -> str:
    return (
        f"Which frame is open is not known, because the remote's base branch does not say:\n  {printable(why)}\n"
        "Name it (--frame N), or name the branch that has it (--base BRANCH)."
    )


def bad_worker(worker: str) -> str:
    return (
        f"{named(worker)} cannot be a worker's name. Use 1 to 64 letters, digits, - and _, beginning with a letter or "
        "a digit."
    )


def slot_taken(path: str, branch: str) -> str:
    return (
        f"{printable(path)} on {printable(branch)} holds another delta of this worker, so nothing was pushed in its "
        "place. If this is other work, give it a run of its own (--run NAME); if it is the same work done again, say "
        "--replace: only the newer one counts."
    )


def gave_up(letter: str, pushes: int, seconds: float) -> str:
    return (
        f"{letter}\nAfter {pushes} {'push' if pushes == 1 else 'pushes'} in {seconds:g} seconds this was given "
        "up. Nothing is lost: run it again."
    )


def kept(letter: str, place: str) -> str:
    return f"{letter}\nThe delta is kept at {printable(place)}: submit that file."


def not_kept(letter: str, place: str, why: str) -> str:
    return f"{letter}\nThe delta could not be kept at {printable(place)} either: {why}."


def no_slug(url: str) -> str:
    return (
        f"The merge was not rung for; it comes with the next run of its workflow. {printable(url)} does not end with "
        "OWNER/NAME: give --github OWNER/NAME."
    )


def no_bell_token(needed: str) -> str:
    return f"The merge was not rung for; it comes with the next run of its workflow. Ringing needs {needed}."


def bell_failed(error: BaseException) -> str:
    return f"The delta arrived, but the merge could not be called ({type(error).__name__}); it comes with the next one."


# --- what the command says


def arrived(frame: int, path: str, branch: str, url: str, commit: str, pushes: int) -> str:
    tries = "" if pushes == 1 else f" after {pushes} pushes"
    return f"Frame {frame}: {printable(path)} is on {branch} of {printable(url)} as {commit[:12]}{tries}."


def there_already(frame: int, path: str, branch: str, url: str, commit: str) -> str:
    return f"Frame {frame}: {printable(path)} was on {branch} of {printable(url)} already, as {commit[:12]}."


RULES = {
    "work tree": "It was checked by the schemas of your work tree.",
    "base branch": "It was checked by the schemas of the remote's base branch.",
    "none": "No schemas were at hand, so only its JSON and its envelope were checked.",
}
