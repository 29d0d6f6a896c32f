"""Check the model: as it is, everything holds and nothing holds vacuously; with a guard off, what has to break breaks.

    python -m model.check            everything, in less than three minutes on two cores
    python -m model.check --short    without the proof that each invariant has a mutant that it alone catches
    python -m model.check no_fence   one mutant, with the way to what it breaks

Exit code 0: all is as it should be; 1: it is not; 75: it could NOT be checked, because rumur or a compiler is missing.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from model.protocol import Table, mutants, properties, read_model, read_table, variant
from model.tools import CannotCheck, Tools, find

LIMIT = 600
_FAILED = re.compile(r'^\s*invariant "([^"]+)" failed$', re.M)
_ERRORS = re.compile(r"^\s*(?:(\d+) error\(s\)|No error) found", re.M)
_STATES = re.compile(r"^\s*(\d+) states, \d+ rules fired", re.M)
_UNMET = re.compile(r'^\s*cover "([^"]+)" not hit$', re.M)


@dataclass(frozen=True, slots=True)
class Job:
    """One run of the checker. `breaks` is the invariant that has to break, None if all of `invariants` have to hold."""

    mutant: str | None
    invariants: tuple[str, ...]
    breaks: str | None = None

    def __str__(self) -> str:
        if self.mutant is None:
            return "the protocol keeps every invariant, and every cover is reached"
        if self.breaks:
            return f"without its guard, {self.mutant} breaks {self.breaks}"
        return f"{self.mutant} breaks nothing else"


@dataclass(frozen=True, slots=True)
class Found:
    """What the checker said. `broken` is an invariant's name, or another error's text; None if there was none."""

    broken: str | None
    unmet: tuple[str, ...]
    states: int
    seconds: float
    said: str

    def wrong(self, job: Job) -> str | None:
        """Why this is not what the job should come to; None if it is."""
        if self.broken != job.breaks:
            return f"{self.broken or 'nothing'} broke, and it should have been {job.breaks or 'nothing'}"
        return f"never reached: {'; '.join(self.unmet)}" if self.unmet else None


def jobs(model: str, table: Table, *, short: bool) -> Iterator[Job]:
    """Everything to be run, the longest first."""
    everything = tuple(properties(model, "invariant"))
    if not short:
        for invariant, mutant in table.only.items():
            yield Job(mutant, tuple(one for one in everything if one != invariant))
    yield Job(None, everything)
    for one in table.mutants:
        for invariant in one.breaks:
            yield Job(one.name, (invariant,), invariant)


def disagreements(model: str, table: Table) -> list[str]:
    """Where the model and its table do not name the same things."""
    named = {one.name: one.breaks for one in table.mutants}
    pairs = [
        ("mutants", set(mutants(model)), set(named)),
        ("invariants", set(properties(model, "invariant")), set(table.only)),
        ("invariants that mutants break", {one for some in named.values() for one in some}, set(table.only)),
    ]
    found = [f"{what}: {', '.join(sorted(one ^ other))}" for what, one, other in pairs if one != other]
    return found + [
        f"{mutant} is to break {name} alone, and is not said to break it"
        for name, mutant in table.only.items()
        if named.get(mutant) != (name,)
    ]


def run(tools: Tools, job: Job, model: str, folder: Path, *, trace: bool = False) -> Found:
    """Build the verifier of one job and run it. Raises RuntimeError if it cannot be built or says nothing."""
    start = time.monotonic()
    full = job.breaks is None
    name = re.sub(r"\W", "-", f"{job.mutant}-{job.breaks}")
    source = folder / f"{name}.m"
    source.write_text(variant(model, job.mutant, job.invariants, covers=job.mutant is None), "utf-8")
    options = ["--quiet", "--deadlock-detection", "off", "--threads", "1"]
    options += ["--counterexample-trace", "diff" if trace or full else "off"]
    program = tools.verifier(source, folder / name, optimise=3 if full else 1, rumur_options=options)
    done = subprocess.run([program], capture_output=True, text=True, timeout=LIMIT, check=False)
    said = done.stdout + done.stderr
    errors, states, failed = _ERRORS.search(said), _STATES.search(said), _FAILED.search(said)
    if errors is None or states is None:
        raise RuntimeError(f"{job}: the verifier did not finish:\n{said}")
    unmet = tuple(_UNMET.findall(said))
    broken = failed[1] if failed else None
    if errors[1] and broken is None and not unmet:
        broken = "something else"
    return Found(broken, unmet, int(states[1]), time.monotonic() - start, said)


def check(tools: Tools, wanted: list[Job], model: str) -> bool:
    """Run the jobs side by side and print what each came to. Whether all came to what they should."""
    good, states, start = True, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(run, tools, job, model, Path(folder)): job for job in wanted}
        for future in as_completed(running):
            job, found = running[future], future.result()
            states += found.states
            why = found.wrong(job)
            print(
                f"{'ok ' if why is None else 'NOT'} {job} ({found.states:,} states, {found.seconds:.1f} s)", flush=True
            )
            if why is not None:
                good = False
                print(f"    {why}\n{found.said}", flush=True)
    print(f"{len(wanted)} runs, {states:,} states, {time.monotonic() - start:.0f} s on {os.cpu_count()} processors.")
    return good


def show(tools: Tools, name: str, model: str, table: Table) -> bool:
    """Print the shortest way to what a mutant breaks."""
    breaks = next((one.breaks for one in table.mutants if one.name == name), ())
    good = bool(breaks)
    with tempfile.TemporaryDirectory() as folder:
        for invariant in breaks:
            job = Job(name, (invariant,), invariant)
            found = run(tools, job, model, Path(folder), trace=True)
            print(found.said)
            good = good and found.wrong(job) is None
    return good


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m model.check", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("mutant", nargs="?", help="show how this mutant breaks what it breaks")
    parser.add_argument("--short", action="store_true", help="leave out that each invariant is needed")
    chosen = parser.parse_args()
    model, table = read_model(), read_table()
    different = disagreements(model, table)
    if different:
        print("protocol.m and the tables of README.md disagree.", *different, sep="\n  ")
        return 1
    if chosen.mutant and chosen.mutant not in mutants(model):
        parser.error(f"there is no mutant {chosen.mutant}; there are: {', '.join(mutants(model))}")
    try:
        tools = find()
    except CannotCheck as reason:
        print(f"The model was NOT checked. {reason}", file=sys.stderr)
        return 75
    if chosen.mutant:
        good = show(tools, chosen.mutant, model, table)
    else:
        good = check(tools, list(jobs(model, table, short=chosen.short)), model)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
