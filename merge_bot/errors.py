"""Pure. Errors: the bot itself cannot go on. What a worker did wrong is a value in `findings`, never an exception.

Exit codes, decided once: 0 done, 1 a known problem, 3 a bug of ours, 75 try again later, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from merge_bot.findings import Problem

EXIT_DONE = 0
EXIT_PROBLEM = 1
EXIT_BUG = 3
EXIT_TRY_AGAIN = 75
EXIT_INTERRUPTED = 130


class DreamcatcherError(Exception):
    """A known problem that stops the run. The text is a letter: what happened, why, what to do now.

    `problems` are those that it lists, where a program may want them one by one.
    """

    exit_code = EXIT_PROBLEM

    def __init__(self, text: str = "", problems: Iterable[Problem] = ()) -> None:
        super().__init__(text)
        self.problems = tuple(problems)


class SettingsError(DreamcatcherError):
    """The settings file cannot be used; nothing was read or written beyond it."""


class SchemaError(DreamcatcherError):
    """One or more schemas, or their `x-merge` rules, cannot be used; the text lists every problem."""


class RepositoryError(DreamcatcherError):
    """The git repository is not in a shape that can be merged (no genesis, no such ref, shallow, …)."""


class UnreadableState(DreamcatcherError):
    """Canonical state cannot be read (conflict markers, truncated, wrong shape). There is no fallback to empty."""


class ForeignEdit(DreamcatcherError):
    """Canonical state was changed by another hand since the newest manifest."""


class GuardError(DreamcatcherError):
    """The merged result broke a law (a collection would shrink, say); nothing was written."""


class LocalEdits(DreamcatcherError):
    """Uncommitted edits in the work tree stand where the merge would write."""


class GitFailed(DreamcatcherError):
    """A git command failed in a way that nothing above could explain."""


class NoSuchBranch(RepositoryError):
    """The remote has no branch of this name."""


class RemoteRefused(DreamcatcherError):
    """The remote said no: no rights, a protected branch, a hook, an unknown repository. Trying again is no use."""


class RemoteUnreachable(DreamcatcherError):
    """The remote did not answer, or not as a git server does; running again is safe."""

    exit_code = EXIT_TRY_AGAIN


class Contended(DreamcatcherError):
    """The ref kept moving until the time budget was spent; running again is safe."""

    exit_code = EXIT_TRY_AGAIN


class ProcessEnded(DreamcatcherError):
    """A process that took a share of the work was ended from outside; running again is safe."""

    exit_code = EXIT_TRY_AGAIN


class StaleState(DreamcatcherError):
    """The newest frame that a reader holds is older than it wanted; after a merge, or a pull, it will not be."""

    exit_code = EXIT_TRY_AGAIN


class DeltaRejected(DreamcatcherError):
    """What a worker wanted to write may not enter; nothing was written. The text lists every problem."""


class ExportFailed(DreamcatcherError):
    """A state could not be written out; nothing half-written is left, and nothing was overwritten."""


class LeaseEnded(DreamcatcherError):
    """The worker held a lease once and holds none now: what it writes would be fenced. It has to claim again."""


class SlotTaken(DreamcatcherError):
    """This run of this worker has delivered for this frame before, and the delta there says something."""


class DeliveryFailed(DreamcatcherError):
    """The file system would not take the delta; nothing half-written is left under its name."""
