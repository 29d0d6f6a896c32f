"""The edge to the clock for whatever is tried again: a time budget, and waits with full jitter.

Full jitter (a wait anywhere between nothing and a bound that doubles) keeps rivals apart that began at one moment:
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

FIRST = 0.25
LONGEST = 8.0


def _random() -> float:
    import random  # most commands never wait

    return random.random()


class Patience:
    """A budget of seconds that begins now. `tries` counts the waits so far."""

    def __init__(
        self,
        budget: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = _random,
    ) -> None:
        self.budget = budget
        self.tries = 0
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._end = clock() + budget

    def attempts(self, most: int) -> Iterator[int]:
        """1, 2, 3 and so on, at most `most`, each after a wait; ends early when the budget is spent."""
        for attempt in range(1, most + 1):
            yield attempt
            if attempt == most or not self.wait():
                return

    def wait(self) -> bool:
        """Wait before the next try; False, at once, if the budget is spent."""
        left = self._end - self._clock()
        if left <= 0:
            return False
        bound = min(LONGEST, FIRST * 2 ** min(self.tries, 10))
        self.tries += 1
        self._sleep(min(left, self._chance() * bound))
        return True
