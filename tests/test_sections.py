"""Documents of sections: many authors, one Markdown file, and no byte changes but where somebody wrote."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merge_bot.collection import Section
from merge_bot.errors import UnreadableState
from merge_bot.history import History
from merge_bot.sections import SectionsStyle, fault, parsed
from merge_bot.verify import verify
from tests.command import run
from tests.past import begin, made, merge, put, rules
from tests.repo import Repo
from tests.world import TEXT, schema

PATH = "docs/design.md"
DECLARED: list[dict[str, Any]] = [{"name": "aims", "owner": "ann"}, {"name": "api", "owner": "kai"}, {"name": "notes"}]


def document(**x_merge: Any) -> dict[str, Any]:
    wanted = {"path": PATH, "sections": DECLARED} | x_merge
    made = schema("sections", {"section": TEXT, "text": TEXT}, ["section", "text"], **wanted)
    return made | {"additionalProperties": False}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return begin(Repo.init(tmp_path / "repo"), {"design": document()}, {})


def written(stream: str, number: int = 5, seconds: float = 1, **sections: str) -> bytes:
    operations = [{"section": name, "text": text} for name, text in sections.items()]
    return made(stream, number, seconds, design=operations)


def frame(repo: Repo, number: int, *deltas: bytes) -> str:
    for data in deltas:
        put(repo, f"frame-{number}-{json.loads(data)['stream_id']}.json", data)
    merge(repo, number)
    return (repo.path / PATH).read_text()


def receipts(repo: Repo, number: int) -> dict[str, Any]:
    path = repo.path / f"state/frames/000/{number:06d}/receipts.jsonl"
    return {one["stream_id"]: one for one in map(json.loads, path.read_text().splitlines())}


def test_three_agents_write_one_document_at_once(repo: Repo) -> None:
    told = frame(
        repo,
        5,
        written("kai", api="## API\n\nNone.\n"),
        written("ann", aims="# Aims\n\nPeace."),
        written("zoe", notes=""),
    )
    assert told == (
        "<!-- section: aims -->\n# Aims\n\nPeace.\n"
        "<!-- section: api -->\n## API\n\nNone.\n\n"
        "<!-- section: notes -->\n\n"
    )  # fmt: skip
    assert frame(repo, 6, written("kai", 6, api="## API\n\nOne call.\n")) == told.replace("None.", "One call.")
    with History(str(repo.path)) as history:
        assert verify(history).findings == []
        assert [history.replay(number).same for number in (5, 6)] == [True, True]
        (change,) = history.diff(5, 6).changes
        assert (change.collection, change.key, list(change.fields)) == ("design", "api", ["text"])
        (text,) = history.blame("design", "api").fields["text"]
        assert text.origin is not None
        assert (text.frame, text.origin.stream_id, text.value) == (6, "kai", "## API\n\nOne call.\n")
        assert history.state(5).record("design", "aims") == {"section": "aims", "text": "# Aims\n\nPeace."}
    assert run("check", "--repo", repo.path).code == 0


def test_whatever_the_order_and_the_frames_the_bytes_are_the_same(tmp_path: Path) -> None:
    deltas = [
        written("ann", 5, 5, aims="first"),
        written("w1", 5, 4, notes="early"),
        written("w2", 5, 3, notes="later"),
        written("kai", 5, 2, api="x"),
    ]
    found = set()
    for at, order in enumerate(permutations(range(len(deltas)))):
        if at % 4 == 0:
            repo = begin(Repo.init(tmp_path / str(at)), {"design": document()}, {})
            half = at // 4 % 3 + 1
            frame(repo, 5, *(deltas[one] for one in order[:half]))
            put_late = [deltas[one] for one in order[half:]]
            for data in put_late:
                put(repo, f"frame-5-{json.loads(data)['stream_id']}.json", data)
            merge(repo, 6)
            found.add((repo.path / PATH).read_bytes())
    assert found == {
        b"<!-- section: aims -->\nfirst\n<!-- section: api -->\nx\n<!-- section: notes -->\nlater\n",
    }


def test_a_section_that_two_wrote_is_a_conflict_with_both_texts(repo: Repo) -> None:
    told = frame(repo, 5, written("w1", 5, 2, notes="one"), written("w2", 5, 1, notes="two"))
    assert told == "<!-- section: notes -->\ntwo\n"
    open_ones = json.loads((repo.path / "state/conflicts.json").read_text())
    assert [one["value"] for one in open_ones["design"]["notes"]["text"]["candidates"]] == ["one", "two"]


@pytest.mark.parametrize(
    ("section", "text", "pointer", "message"),
    [
        ("api", "mine now", "/design/0/section", "The section `api` is `kai`'s alone, and `ann` wrote to it."),
        ("apis", "t", "/design/0/section", 'There is no section "apis".'),
        (
            "aims", "a\n<!-- section: api -->\nforged\n", "/design/0/text",
            'A line of the text would begin a section: "<!-- section: api -->".',
        ),
    ],
)  # fmt: skip
def test_what_is_not_its_own_a_worker_does_not_write(
    repo: Repo, section: str, text: str, pointer: str, message: str
) -> None:
    frame(repo, 5, written("kai", api="kai's"), made("ann", 5, 1, design=[{"section": section, "text": text}]))
    assert (repo.path / PATH).read_text() == "<!-- section: api -->\nkai's\n"
    refused = receipts(repo, 5)["ann"]
    assert refused["outcome"] == "quarantined"
    (problem,) = refused["problems"]
    assert (problem["pointer"], problem["reason"], problem["message"], problem["line"]) == (
        pointer, "bad_section", message, 1,
    )  # fmt: skip


def test_other_declarations_change_the_order_and_lose_nothing(repo: Repo) -> None:
    frame(repo, 5, written("ann", aims="a"), written("kai", api="b"), written("zoe", notes="c"))
    repo.commit(rules({"design": document(sections=[{"name": "new"}, {"name": "notes"}, {"name": "api"}])}))
    assert frame(repo, 6, written("ann", 6, new="n")) == (
        "<!-- section: new -->\nn\n<!-- section: notes -->\nc\n<!-- section: api -->\nb\n<!-- section: aims -->\na\n"
    )
    with History(str(repo.path)) as history:
        assert verify(history).findings == []


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).filter(lambda one: "<!-- section:" not in one)


@given(st.dictionaries(st.sampled_from(["a", "b", "c d", "e/f"]), TEXTS))
def test_every_text_is_read_back_byte_for_byte(texts: dict[str, str]) -> None:
    value = {name: {"text": text} for name, text in texts.items()}
    data = SectionsStyle(("b", "a")).written(value)
    assert parsed(data, PATH) == value
    assert SectionsStyle(("b", "a")).written(parsed(data, PATH)) == data
    changed = SectionsStyle(("b", "a")).written(value | {"a": {"text": "other"}})
    for name, text in texts.items():
        assert name == "a" or f"<!-- section: {name} -->\n{text}\n".encode() in changed


@given(st.text(st.sampled_from("<!- section:a>\n\r x"), max_size=40))
def test_a_text_that_may_enter_never_begins_a_section(text: str) -> None:
    for one in (text, f"{text}\n<!-- section: b -->", f"<!-- section: b -->\r\n{text}"):
        if fault([Section("a")], "w1", {"section": "a", "text": one}) is None:
            assert parsed(SectionsStyle(("a",)).written({"a": {"text": one}}), PATH) == {"a": {"text": one}}


@pytest.mark.parametrize(
    "data", [b"# Old\n", b"\n<!-- section: a -->\n\n", b"<!-- section: a -->\nx", b"<!-- section: a -->\n",
             b"<!-- section: a -->\n\n<!-- section: a -->\n\n", b"<!-- section: a -->\n\xff\n"],
)  # fmt: skip
def test_what_is_no_such_document_stops(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnreadableState, match=r"docs/design\.md cannot be read as a document of sections"):
        parsed(data, PATH)


def test_a_document_that_is_damaged_is_named_and_nothing_is_written(repo: Repo) -> None:
    frame(repo, 5, written("kai", api="b"))
    repo.commit({PATH: b"<<<<<<< HEAD\n"})
    put(repo, "frame-6-kai.json", written("kai", 6, api="c"))
    assert run("merge", "--repo", repo.path).code == 1
    assert (repo.path / PATH).read_bytes() == b"<<<<<<< HEAD\n"
    assert "This cannot be read as a document of sections." in run("check", "--repo", repo.path).out
    assert PATH in run("verify", "--repo", repo.path).out


def test_an_edit_by_hand_is_taken_in_by_section(repo: Repo) -> None:
    frame(repo, 5, written("kai", api="b"), written("ann", aims="a"))
    edited = (repo.path / PATH).read_bytes().replace(b"\nb\n", b"\nby hand\n")
    repo.commit({PATH: edited, ".github/dreamcatcher.yml": b"foreign-edits: adopt\n"})
    done = run("merge", "--repo", repo.path)
    assert done.code == 0, done.err
    with History(str(repo.path)) as history:
        assert verify(history).findings == []
        (change,) = history.diff(5, 6).changes
        assert (change.key, change.after["text"]) == ("api", "by hand")


@pytest.mark.parametrize(
    ("x_merge", "place", "letter"),
    [
        ({"sections": None}, "/x-merge", "The document does not say which sections it has."),
        ({"path": "docs/design.txt"}, "/x-merge/path", 'A document of sections is a Markdown file, which "docs/design'),
        ({"key": ["section"]}, "/x-merge/key", "Strategy sections takes no key."),
        ({"layout": "entities"}, "/x-merge/layout", "\"entities\" is not a layout of sections."),
        ({"sections": [{"name": "a"}, {"name": "a"}]}, "/x-merge/sections/1", "The section `a` is declared twice."),
        ({"strategy": "union"}, "/x-merge/sections", "`sections` means something only for strategy sections."),
    ],
)  # fmt: skip
def test_mistakes_are_found_when_schemas_load(repo: Repo, x_merge: dict[str, Any], place: str, letter: str) -> None:
    broken = document()
    broken["x-merge"] = {name: one for name, one in (broken["x-merge"] | x_merge).items() if one is not None}
    repo.commit(rules({"design": broken}))
    problems = run("check", "--json", "--repo", repo.path).json["problems"]
    assert [one["pointer"] for one in problems] == [place], problems
    assert problems[0]["message"].startswith(letter), problems


def test_a_schema_that_says_more_than_sections_is_a_mistake(repo: Repo) -> None:
    repo.commit(rules({"design": document() | {"required": ["section"]}}))
    (problem,) = run("check", "--json", "--repo", repo.path).json["problems"]
    assert problem["message"] == "An operation on a document names a section and gives its text, and nothing else."
