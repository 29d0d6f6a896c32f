"""A delta file is in the inbox whole or not at all, whatever happens, and what says something is not overwritten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from merge_bot.delivery import EMPTY, FALLBACK, SPEAKS, deliver, refuse_taken, slot_name, standing, write_atomically
from merge_bot.delta import FILE_NAME
from merge_bot.errors import DeliveryFailed, SlotTaken
from tests.work_tree import INBOX, NAME, delta, files

SPOKEN, OTHER = delta(posts_created=[{"number": 1}]), delta(posts_created=[{"number": 2}])
SILENT, TRIED = delta(), delta(_meta={"status": "fallback"})


def test_a_file_is_written_into_a_folder_that_is_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    assert deliver(tmp_path, INBOX, NAME, SPOKEN) == tmp_path / INBOX / NAME
    assert files(tmp_path) == {NAME: SPOKEN}
    assert (tmp_path / INBOX / NAME).stat().st_mode & 0o111 == 0


def test_what_stands_there_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write_atomically(tmp_path, NAME, b"x" * 10_000)
    write_atomically(tmp_path, NAME, b"short")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {NAME: b"short"}


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../a", "/a", "a\0b"])
def test_a_name_that_leads_elsewhere_is_a_mistake_of_ours(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError):
        write_atomically(tmp_path, name, b"x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (SPOKEN, SPEAKS),
        (delta(stats_increments={"total_posts": 1}), SPEAKS),
        (delta(posts_created=[], stats_increments={}), EMPTY),
        (SILENT, EMPTY),
        (delta(_meta={"status": "ok", "run": "r"}), EMPTY),
        (TRIED, FALLBACK),
        (delta(_meta={"status": "fallback"}, posts_created=[{"number": 1}]), SPEAKS),
        (delta(_meta="fallback"), EMPTY),
        (b"", SPEAKS),
        (b"[]", SPEAKS),
        (SPOKEN[:40], SPEAKS),
        (TRIED.replace(b'"fallback"', b'"fallback", "status": "ok"'), SPEAKS),
    ],
)
def test_what_a_delta_says(data: bytes, says: int) -> None:
    assert standing(data) == says


@pytest.mark.parametrize(
    ("old", "new", "takes", "with_replace"),
    [
        (None, TRIED, True, True),
        (None, SILENT, True, True),
        (None, SPOKEN, True, True),
        (TRIED, TRIED, True, True),
        (TRIED, SILENT, True, True),
        (TRIED, SPOKEN, True, True),
        (SILENT, TRIED, False, False),
        (SILENT, SILENT, True, True),
        (SILENT, SPOKEN, True, True),
        (SPOKEN, TRIED, False, False),
        (SPOKEN, SILENT, False, True),
        (SPOKEN, SPOKEN, True, True),
        (SPOKEN, OTHER, False, True),
        (b'{"frame": 405, "str', SPOKEN, False, True),
    ],
)
def test_which_delta_takes_the_place_of_which(
    tmp_path: Path, old: bytes | None, new: bytes, takes: bool, with_replace: bool
) -> None:
    for replace, expected in ((False, takes), (True, with_replace)):
        folder = tmp_path / str(replace)
        (folder / INBOX).mkdir(parents=True)
        if old is not None:
            (folder / INBOX / NAME).write_bytes(old)
        if expected:
            deliver(folder, INBOX, NAME, new, replace=replace)
        else:
            with pytest.raises(SlotTaken):
                deliver(folder, INBOX, NAME, new, replace=replace)
        assert files(folder) == {NAME: new if expected else old}


def test_a_taken_slot_is_told_with_both_ways_out(tmp_path: Path) -> None:
    place = deliver(tmp_path, INBOX, NAME, SPOKEN)
    for attempt in (lambda: deliver(tmp_path, INBOX, NAME, OTHER), lambda: refuse_taken(tmp_path, INBOX, NAME)):
        with pytest.raises(SlotTaken) as caught:
            attempt()
        assert str(caught.value) == (
            f"{place} holds a delta already, so nothing was written in its place. If this is other work, give it a "
            'run of its own (run="…"); if it is the same work done again, say replace=True: only the newer one counts.'
        )
    with pytest.raises(SlotTaken) as caught:
        deliver(tmp_path, INBOX, NAME, TRIED, replace=True)
    assert str(caught.value) == (
        f"{place} is there already, and a fallback takes no delta's place. Nothing was written."
    )


@pytest.mark.parametrize("old", [None, TRIED, SILENT])
def test_a_slot_that_says_nothing_is_free(tmp_path: Path, old: bytes | None) -> None:
    if old is not None:
        deliver(tmp_path, INBOX, NAME, old)
    refuse_taken(tmp_path, INBOX, NAME)


def test_looking_for_a_taken_slot_makes_no_folder(tmp_path: Path) -> None:
    refuse_taken(tmp_path, INBOX, NAME)
    assert list(tmp_path.iterdir()) == []


RUNS = [
    None,
    "r",
    "R",
    "github-17-build",
    "github-17-Build",
    "2026-03-25T03:14:22",
    "a/b",
    "a.b",
    "a-b",
    "-",
    "x" * 60,
    "x" * 61,
    "x" * 128,
    "../../etc/passwd",
    "\ud800",
    slot_name(405, "w1", "a/b").split(".")[1],
]


def test_runs_have_file_names_of_their_own_that_are_delta_files() -> None:
    names = [slot_name(405, "w1", run) for run in RUNS]
    assert len({name.lower() for name in names}) == len(RUNS)
    assert [name for name in names if not FILE_NAME.match(name)] == []
    assert names[:4] == [
        "frame-405-w1.json",
        "frame-405-w1.r.json",
        "frame-405-w1.8c2574892063f995fdf756bc.json",
        "frame-405-w1.github-17-build.json",
    ]


def a_link_for_the_inbox(root: Path) -> None:
    (root / "state").mkdir()
    (root / "elsewhere").mkdir()
    (root / INBOX).symlink_to(root / "elsewhere")


def a_link_for_the_state(root: Path) -> None:
    (root / "elsewhere").mkdir()
    (root / "state").symlink_to("elsewhere")


def a_file_for_the_inbox(root: Path) -> None:
    (root / "state").mkdir()
    (root / INBOX).write_text("")


def a_link_for_the_delta(root: Path) -> None:
    (root / INBOX).mkdir(parents=True)
    (root / INBOX / NAME).symlink_to(root / "elsewhere")


def a_folder_for_the_delta(root: Path) -> None:
    (root / INBOX / NAME).mkdir(parents=True)


@pytest.mark.parametrize(
    ("trap", "letter"),
    [
        (
            a_link_for_the_inbox,
            "{root}/state/stream_deltas is a symbolic link, which git would not follow, so no delta can be delivered "
            "there and nothing was written. Move it away; the folder is made when it is missing.",
        ),
        (
            a_link_for_the_state,
            "{root}/state is a symbolic link, which git would not follow, so no delta can be delivered there and "
            "nothing was written. Move it away; the folder is made when it is missing.",
        ),
        (
            a_file_for_the_inbox,
            "{root}/state/stream_deltas is not a folder, so no delta can be delivered there and nothing was written. "
            "Move it away; the folder is made when it is missing.",
        ),
        (
            a_link_for_the_delta,
            "{root}/state/stream_deltas/frame-405-w1.json is no regular file, so the delta was not written in its "
            "place. Move it away.",
        ),
        (
            a_folder_for_the_delta,
            "{root}/state/stream_deltas/frame-405-w1.json is no regular file, so the delta was not written in its "
            "place. Move it away.",
        ),
    ],
)
def test_what_stands_in_the_way_is_named_and_left_alone(
    tmp_path: Path, trap: Callable[[Path], None], letter: str
) -> None:
    trap(tmp_path)
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    for attempt in (deliver, refuse_taken):
        with pytest.raises(DeliveryFailed) as caught:
            attempt(tmp_path, INBOX, NAME, *([SPOKEN] if attempt is deliver else []))
        assert str(caught.value) == letter.format(root=tmp_path)
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before


def test_the_root_itself_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    deliver(tmp_path / "link", INBOX, NAME, SPOKEN)
    assert files(tmp_path / "real") == {NAME: SPOKEN}
