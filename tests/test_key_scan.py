"""Looking for few hashes among many: the quick way finds what comparing every one of them finds."""

from __future__ import annotations

import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merge_bot.layouts import key_scan
from merge_bot.layouts.key_scan import FEW, Scan

HASHES = st.integers(0, 2**64 - 1)
ALIKE = st.sampled_from([high << 56 | low for high in (0, 1, 255) for low in (0, 1, 255, 2**31)])
"""Hashes that differ in one byte or two, whichever end is looked at first."""


@given(st.lists(HASHES | ALIKE, max_size=40), st.sets(HASHES | ALIKE, max_size=40))
def test_the_same_is_found_as_by_comparing_all(hashes: list[int], others: set[int]) -> None:
    probe = others | set(hashes[::3])
    assert Scan(probe).among(array("Q", hashes)) == probe.intersection(hashes)


@pytest.mark.parametrize("asked", [0, 1, 7, 8, 9, FEW - 1, FEW, FEW + 1, 2 * FEW])
def test_however_many_are_asked_for(asked: int) -> None:
    chance = random.Random(asked)
    there = [chance.getrandbits(64) for _ in range(20_000)]
    probe = {*there[: asked // 2], *(chance.getrandbits(64) for _ in range(asked - asked // 2))}
    scan = Scan(probe)
    assert scan.among(array("Q", there)) == set(there[: asked // 2])
    assert scan.among(array("Q", there[asked // 2 :])) == set()
    assert scan.among(array("Q")) == set()


def test_what_is_only_alike_is_not_found() -> None:
    one = array("Q", b"12345678")
    like = array("Q", b"12345679")
    assert Scan({one[0]}).among(like) == set()
    assert Scan({one[0]}).among(one) == {one[0]}


def test_few_hashes_are_told_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every hash as a number would take three times as long; of many, none would be told."""
    taken: list[int] = []

    class Watched(array):  # type: ignore[type-arg]
        def __getitem__(self, at):  # type: ignore[no-untyped-def]
            taken.append(at)
            return super().__getitem__(at)

        def __iter__(self):  # type: ignore[no-untyped-def]
            raise AssertionError("gone through")

    chance = random.Random(1)
    hashes = Watched("Q", [chance.getrandbits(64) for _ in range(50_000)])
    probe = {chance.getrandbits(64) for _ in range(200)} | {hashes[7]}
    taken.clear()
    assert Scan(probe).among(hashes) == {hashes[7]}
    assert 7 in taken
    assert len(taken) < len(hashes) // 100
    monkeypatch.setattr(key_scan, "FEW", 200)
    with pytest.raises(AssertionError, match="gone through"):
        Scan(probe).among(hashes)
