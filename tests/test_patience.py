"""Waiting before another try: full jitter under a bound that doubles, within a budget, on a clock of the test's own."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from merge_bot.patience import FIRST, LONGEST, Patience


@dataclass
class Clock:
    """Time passes only by waiting."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def patience(self, budget: float, chance: float = 1.0) -> Patience:
        return Patience(budget, clock=lambda: self.now, sleep=self.sleep, chance=lambda: chance)


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_a_wait_lies_anywhere_below_a_bound_that_doubles(chance: float) -> None:
    clock = Clock()
    patience = clock.patience(1000, chance)
    assert [patience.wait() for _ in range(8)] == [True] * 8
    assert clock.waits == [chance * one for one in (FIRST, 0.5, 1, 2, 4, LONGEST, LONGEST, LONGEST)]


def test_no_wait_goes_beyond_the_budget() -> None:
    clock = Clock()
    patience = clock.patience(2)
    assert [patience.wait() for _ in range(5)] == [True, True, True, True, False]
    assert (clock.waits, clock.now) == ([0.25, 0.5, 1, 0.25], 2)


def test_attempts_wait_between_each_other_and_not_after_the_last() -> None:
    clock = Clock()
    assert list(clock.patience(1000).attempts(3)) == [1, 2, 3]
    assert clock.waits == [0.25, 0.5]
    assert list(Clock().patience(0.6).attempts(20)) == [1, 2, 3]
    assert list(Clock().patience(0).attempts(20)) == [1]
