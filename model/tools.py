"""The edge to the programs that check the model: rumur, which writes a verifier in C, and a C compiler.

Where rumur is not installed, Debian's or Ubuntu's package of it is fetched and unpacked below `.cache`, which needs no
rights: nothing is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

CACHE = Path(__file__).parent.parent / ".cache" / "rumur"
PACKAGES = ("rumur", "libgmpxx4ldbl")


class CannotCheck(Exception):
    """A program that is needed is not here and cannot be fetched; the message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Tools:
    """`rumur` and `cc` are programs, `environment` is what rumur needs beside our own."""

    rumur: str
    cc: str
    environment: dict[str, str] = field(default_factory=dict)

    def verifier(self, model: Path, place: Path, *, optimise: int, rumur_options: Sequence[str] = ()) -> Path:
        """Turn the model into a program at `place`. Raises RuntimeError with what the tools said."""
        source = place.with_suffix(".c")
        self._run(self.rumur, *rumur_options, "--output", source, model)
        self._run(self.cc, f"-O{optimise}", "-w", *_wide_swap(), source, "-o", place, "-lpthread", "-latomic")
        return place

    def _run(self, *command: object) -> None:
        done = subprocess.run(
            [str(one) for one in command],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed with {done.returncode}:\n{done.stderr}{done.stdout}")


def find(cache: Path = CACHE) -> Tools:
    """The tools of this machine, rumur fetched if need be. Raises CannotCheck."""
    cc = shutil.which("gcc") or shutil.which("clang")
    if cc is None:
        raise CannotCheck("There is no C compiler here. On Debian and Ubuntu: apt install gcc libc6-dev.")
    installed = shutil.which("rumur")
    if installed:
        return Tools(installed, cc)
    root = cache / "root"
    rumur = root / "usr/bin/rumur"
    if not rumur.is_file():
        _fetch(cache, root)
    libraries = sorted({str(one.parent) for one in root.glob("usr/lib/**/*.so*")})
    return Tools(str(rumur), cc, {"LD_LIBRARY_PATH": os.pathsep.join(libraries)})


def _fetch(cache: Path, root: Path) -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise CannotCheck(
            "rumur is not installed, and this is no Debian or Ubuntu whose package of it could be fetched. "
            "Install it (https://github.com/Smattr/rumur) and run this again."
        )
    fetched, unpacked = cache / "packages", cache / "unpacked"
    for folder in (fetched, unpacked):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    said = _download(fetched, ())
    if said is not None:  # the machine's own package lists are missing or old
        said = _download(fetched, _own_lists(cache))
    if said is not None:
        raise CannotCheck(f"rumur is not installed, and its package could not be fetched. apt-get said: {said}")
    for package in sorted(fetched.glob("*.deb")):
        done = subprocess.run(["dpkg-deb", "--extract", package, unpacked], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotCheck(f"rumur's package cannot be unpacked. dpkg-deb said: {' '.join(done.stderr.split())}")
    shutil.rmtree(root, ignore_errors=True)
    unpacked.rename(root)


def _download(folder: Path, options: Sequence[str]) -> str | None:
    """Why the packages could not be fetched into `folder`; None if they were."""
    steps = [("update",)] if options else []
    for step in (*steps, ("download", *PACKAGES)):
        command = ["apt-get", *options, "-qq", "-o", "APT::Sandbox::User=", *step]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            return " ".join(done.stderr.split()) or f"exit code {done.returncode}"
    return None


def _own_lists(cache: Path) -> list[str]:
    """Options that make apt-get keep its lists in our cache, where everybody may write."""
    (cache / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (cache / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    return ["-o", f"Dir::State::lists={cache / 'lists'}", "-o", f"Dir::Cache={cache / 'archives'}"]


def _wide_swap() -> list[str]:
    """Verifiers swap two words at once, which x86 compilers do only when told."""
    return ["-mcx16"] if os.uname().machine == "x86_64" else []
