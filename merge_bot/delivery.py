"""The edge to a work tree's inbox: a delta file appears there whole or not at all.

A file is written under a temporary name in the same folder (`.NAME.RANDOM.tmp`, which no one takes for a delta),
forced to the disk and renamed. Looking at what stands there and renaming happen under a lock on the folder, so that of
two processes with one name the second sees the first.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from merge_bot import strict_json, worker_letters
from merge_bot.delta import file_name
from merge_bot.errors import DeliveryFailed, SlotTaken

try:
    import fcntl
except ImportError:  # no such locks on Windows: there the last of two writers wins, still whole
    fcntl = None  # type: ignore[assignment]

# A run that is its own suffix. Lowercase, because names that differ in case alone are one file on some disks; and not
# like the digests that stand for the other runs.
_PLAIN_RUN = re.compile(r"(?!.*[0-9a-f]{24}\Z)[a-z0-9_-]{1,60}\Z")
_ENVELOPE = ("frame", "stream_id", "utc", "_meta")

# What a delta says, in the order in which one may take another's place.
FALLBACK, EMPTY, SPEAKS = range(3)


def slot_name(frame: int, stream_id: str, run: str | None = None) -> str:
    """The file name of a slot. Two runs of a worker have two names; runs that are no plain names enter by digest."""
    if run and not _PLAIN_RUN.match(run):
        run = sha256(run.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return file_name(frame, stream_id, run)


def standing(data: bytes) -> int:
    """What the delta in `data` says: FALLBACK, EMPTY or SPEAKS. What cannot be read may say something."""
    value = strict_json.parse(data, "").value
    if not isinstance(value, dict):
        return SPEAKS
    meta = value.get("_meta")
    if any(one for key, one in value.items() if key not in _ENVELOPE):
        return SPEAKS
    return FALLBACK if isinstance(meta, dict) and meta.get("status") == "fallback" else EMPTY


def deliver(root: Path, inbox: str, name: str, data: bytes, *, replace: bool = False) -> Path:
    """Put a delta into the inbox below `root` (repository path `inbox`), which is made if need be. Returns its path.

    A delta that says something gives way only with `replace`, and never to a fallback: SlotTaken. Raises
    DeliveryFailed if the file system refuses.
    """
    folder = inbox_folder(root, inbox)
    new = standing(data)

    def may_take(place: Path) -> None:
        old = _standing_at(place)
        if old is None or (new >= old if old < SPEAKS else replace and new > FALLBACK):
            return
        if old == SPEAKS and place.read_bytes() == data:
            return
        raise SlotTaken(worker_letters.slot_taken(str(place), fallback=new == FALLBACK))

    try:
        write_atomically(folder, name, data, may_take)
    except OSError as error:
        raise DeliveryFailed(worker_letters.not_delivered(str(folder / name), error)) from error
    return folder / name


def refuse_taken(root: Path, inbox: str, name: str) -> None:
    """Raise SlotTaken now if a delta that says something could not be delivered later."""
    place = inbox_folder(root, inbox, make=False) / name
    if _standing_at(place) == SPEAKS:
        raise SlotTaken(worker_letters.slot_taken(str(place), fallback=False))


def inbox_folder(root: Path, inbox: str, *, make: bool = True) -> Path:
    """The inbox folder below `root`, made if `make`. No link leads there: git would not follow it. DeliveryFailed."""
    folder = root
    for part in inbox.split("/"):
        folder = folder / part
        try:
            if make:
                with contextlib.suppress(FileExistsError):
                    folder.mkdir()
                    _sync_folder(folder.parent)
            mode = folder.lstat().st_mode
        except FileNotFoundError:
            continue
        except OSError as error:
            raise DeliveryFailed(worker_letters.not_delivered(str(folder), error)) from error
        if not stat.S_ISDIR(mode):
            raise DeliveryFailed(worker_letters.not_a_folder(str(folder), link=stat.S_ISLNK(mode)))
    return folder


def write_atomically(folder: Path, name: str, data: bytes, may_take: Callable[[Path], None] | None = None) -> None:
    """Write the file `name` into `folder` (made if need be), whole or not at all, in place of what stands there.

    `may_take` gets the place under the folder's lock, just before, and raises to prevent it. Nothing is left behind
    by a failure; a killed process may leave a temporary file. Raises ValueError if `name` is no plain file name.
    """
    if os.path.basename(name) != name or name.startswith(".") or not name or "\0" in name:
        raise ValueError(name)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.{secrets.token_hex(8)}.tmp"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(handle, "wb", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        with _locked(folder):
            if may_take:
                may_take(folder / name)
            os.replace(temporary, folder / name)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(folder)


def _standing_at(place: Path) -> int | None:
    """What the file at `place` says; None if there is none."""
    try:
        mode = place.lstat().st_mode
        if stat.S_ISREG(mode):
            return standing(place.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DeliveryFailed(worker_letters.not_delivered(str(place), error)) from error
    raise DeliveryFailed(worker_letters.not_a_file(str(place)))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process at the latest. Where there are no such locks, do without."""
    with _opened(folder) as handle:
        if handle is not None and fcntl is not None:
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _sync_folder(folder: Path) -> None:
    """Force a folder's entries to the disk, where folders can be."""
    with _opened(folder) as handle:
        if handle is not None:
            try:
                os.fsync(handle)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                    raise


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """A folder's handle; None where folders cannot be opened (Windows)."""
    if not hasattr(os, "O_DIRECTORY"):
        yield None
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield handle
    finally:
        os.close(handle)
