"""The same inputs as `tests/fuzz.py`, with coverage in the lead: `python -m tests.fuzz_atheris [TARGET] [RUNS]`.

Atheris mutates the choices that hypothesis makes, so that what it tries keeps its structure. It is not to be had for
every Python; where it is not, hypothesis alone has to do, and this says so and ends with 75.
"""

from __future__ import annotations

import atexit
import subprocess
import sys

from merge_bot.errors import EXIT_TRY_AGAIN

SLOW = ("a_committed_file",)  # most of it happens in git, where nobody sees coverage
RUNS = 20_000


def lead(target: str, runs: int) -> None:
    """Try one target in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["merge_bot"]):
        from tests import fuzz
    fuzz.BASE, fuzz.A_BYTE = fuzz.BASE * 20, fuzz.A_BYTE * 20  # watching coverage is calls, too
    atexit.register(lambda: print(f"{target}: {fuzz.TRIED}", flush=True))
    one = getattr(fuzz, target).hypothesis.fuzz_one_input
    atheris.Setup([sys.argv[0], f"-atheris_runs={runs}", "-max_len=4096", "-len_control=0", "-rss_limit_mb=4096"], one)
    atheris.Fuzz()


def main(arguments: list[str]) -> int:
    try:
        import atheris  # noqa: F401
    except ImportError:
        print("atheris is not installed here, so coverage leads nobody: hypothesis alone has tried.", file=sys.stderr)
        return EXIT_TRY_AGAIN
    if len(arguments) == 2:
        lead(arguments[0], int(arguments[1]))
    from tests import fuzz

    runs = arguments[0] if arguments else str(RUNS)
    failed = 0
    for one in fuzz.ALL:
        if one.__name__ not in SLOW:
            failed |= subprocess.run([sys.executable, "-m", "tests.fuzz_atheris", one.__name__, runs]).returncode
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
