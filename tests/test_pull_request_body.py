"""What a pull request says about a frame: all that a reviewer needs, within limits, and nothing takes effect."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from merge_bot.clone import Clone
from merge_bot.conflicts import Conflict
from merge_bot.findings import Outcome, Problem, Reason, Receipt, Recover
from merge_bot.proposal import Marker, Place
from merge_bot.pull_request_body import BODY_LIMIT, Section, code, describe, labels_of
from merge_bot.resources import example_schemas
from merge_bot.snapshot import Frame
from merge_bot.wording import printable
from tests.repo import Repo
from tests.world import MORNING

WEB = "https://github.example/octo/world"
MARKER = Marker("main", 1, "d" * 64, "1" * 64, "c" * 40)
PLACE = Place("main", "dreamcatcher/main", MARKER, WEB)
MERMAID = re.compile(
    r"flowchart LR|  frame\(\[\"frame \d+\"\]\)|  w\d+\[\"(?:[A-Za-z0-9_-]+|\(unreadable\))\"\]|"
    r"  w\d+ -->\|\"[\d,]+ deltas?\"\| frame|  w\d+ -\. \"[\d,]+ quarantined\" \.-x frame|"
    r"  rest\[\"[\d,]+ more workers?\"\] --> frame|  frame ==> base\[\(\"[A-Za-z0-9_./-]+\"\)\]"
)
POST = {"number": 1, "title": "t", "channel": "c", "author": "a"}
FORGED = Marker("main", 9, "f" * 64, "f" * 64, "f" * 40).line()
HOSTILE = {
    "mention": "@octocat",
    "mention as entity": "&#64;octocat &commat;octocat",
    "closing word": "closes #1, fixes octo/world#2, resolves GH-3",
    "link": "https://evil.example [x](https://evil.example) www.evil.example",
    "image": "![x](https://evil.example/x.png)",
    "html": "</details><img src=https://evil.example><script>alert(1)</script><!-- ",
    "marker": FORGED,
    "marker on a line of its own": f"\n\n{FORGED}\n\n",
    "table": "| a | b |\n| - | - |\n| c | d |",
    "backticks": "```\n@octocat\n```",
    "many backticks": "`````````` @octocat ``````````",
    "tildes": "~~~\n@octocat\n~~~",
    "one backtick": "` @octocat `` ",
    "heading": "\n# Approved\n\n- [x] reviewed by @octocat\n",
    "mermaid": '"]; click w0 href "https://evil.example"; w9["\n```\n@octocat\n```mermaid\n',
    "directions": "\u202e\u2066 @octocat \u2028@octocat",
    "sha": "0123456789abcdef0123456789abcdef01234567",
    "mathematics": "$$\\href{https://evil.example}{x}$$ $`x`$",
}


@pytest.fixture
def frame_of(make_repo: Callable[..., Repo]) -> Iterator[Callable[..., Frame]]:
    """The frame that these inbox files (name → JSON value or bytes) make, not written anywhere."""
    repo = make_repo("world")
    with Clone.open(str(repo.path)) as clone:
        clone.begin(clone.plan({}, example_schemas(), MORNING, 1), MORNING)

    def make(files: dict[str, Any]) -> Frame:
        for name, value in files.items():
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            repo.write(f"state/stream_deltas/{name}", data)
        with Clone.open(str(repo.path)) as clone:
            frame = clone.merge(MORNING, dry_run=True).frame
        assert frame is not None
        return frame

    yield make


def delta(worker: str, second: int = 0, **operations: Any) -> dict[str, Any]:
    return {"frame": 1, "stream_id": worker, "utc": f"2026-03-25T00:00:{second:02d}Z", **operations}


def world() -> dict[str, Any]:
    """Two workers at odds, a record that waits, a delta that cannot be read, one for later."""
    return {
        "frame-1-w1.json": delta("w1", channels_updated=[{"slug": "c", "name": "C"}], posts_created=[POST],
                                 profile_updates=[{"agent_id": "a", "name": "A", "bio": "one"}]),
        "frame-1-w2.json": delta("w2", 1, profile_updates=[{"agent_id": "a", "bio": "two"}],
                                 comments_added=[{"post_number": 7, "author": "a", "body": "waits"}]),
        "frame-1-w3.json": b'{"frame": 1,',
        "frame-9-w4.json": delta("w4") | {"frame": 9},
    }  # fmt: skip


def tokens(body: str) -> list[Token]:
    """What CommonMark with tables makes of a body, flat."""
    found = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(body)
    return [one for token in found for one in (token, *(token.children or ()))]


def effects(body: str) -> list[str]:
    """Everything in a body that would do something, besides our own links and the marker in its first line."""
    found = []
    for at, one in enumerate(tokens(body)):
        if one.type in ("html_block", "html_inline", "image") and not (at == 0 and one.content == MARKER.line() + "\n"):
            found.append(f"{one.type}: {one.content}")
        if one.type == "link_open" and not str(one.attrs["href"]).startswith(f"{WEB}/"):
            found.append(f"link: {one.attrs}")
        if one.type == "text" and re.search(r"@|#\d|\bGH-\d|://|www\.|&|\$|[0-9a-f]{40}", one.content):
            found.append(f"text: {one.content}")
        if one.type == "fence" and one.info == "mermaid":
            found += [f"mermaid: {line}" for line in one.content.splitlines() if not MERMAID.fullmatch(line)]
        elif one.type == "fence" and one.info != "text":
            found.append(f"fence: {one.info}")
    return found


def test_a_body_has_all_that_a_review_needs(frame_of: Callable[..., Frame]) -> None:
    frame = frame_of(world())
    words = describe(frame, PLACE)
    assert words.title == "merge frame 1: 2 deltas, 3 operations"
    assert words.labels == (
        "dreamcatcher", "dreamcatcher: conflicts", "dreamcatcher: parked", "dreamcatcher: quarantined"
    )  # fmt: skip
    broken = next(one for one in frame.receipts if one.outcome == Outcome.QUARANTINED)
    kept = next(row["file"] for row in frame.manifest.deltas if row["delta"] == broken.digest)
    short, base = frame.base[:12], frame.base
    letter = [f"line {broken.problems[0].line}: {broken.problems[0].message}", f"  {broken.problems[0].remedy}"]
    assert words.body.splitlines() == [
        MARKER.line(),
        "**Frame 1: 2 deltas, 3 operations applied, 1 conflict, 1 parked, 1 quarantined.**",
        "",
        f"Made from [{short}]({WEB}/commit/{base}) of `main` ([what changes]({WEB}/compare/{base}...{'c' * 40})). Each "
        "run makes it anew, with everything that waits by then; edit nothing here. Merge it in any way. Close it to "
        "say no to exactly these deltas.",
        "",
        "#### By collection",
        "",
        "| collection | applied | conflict | parked |",
        "| --- | ---: | ---: | ---: |",
        "| `agents` | 1 | 1 | 0 |",
        "| `channels` | 1 | 0 | 0 |",
        "| `comments` | 0 | 0 | 1 |",
        "| `posts` | 1 | 0 | 0 |",
        "",
        "#### By worker",
        "",
        "| worker | deltas | applied | duplicate | conflict | parked | quarantined |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| `(unreadable)` | 1 | 0 | 0 | 0 | 0 | 1 |",
        "| `w1` | 1 | 2 | 0 | 1 | 0 | 0 |",
        "| `w2` | 1 | 1 | 0 | 0 | 1 | 0 |",
        "",
        "#### The web",
        "",
        "```mermaid",
        "flowchart LR",
        '  frame(["frame 1"])',
        '  w0["w1"]',
        '  w0 -->|"1 delta"| frame',
        '  w1["w2"]',
        '  w1 -->|"1 delta"| frame',
        '  w2["(unreadable)"]',
        '  w2 -. "1 quarantined" .-x frame',
        '  frame ==> base[("main")]',
        "```",
        "",
        "#### 1 conflict",
        "",
        "```text",
        'agents "a", field bio',
        '  w1 at 2026-03-25T00:00:00Z: "one"',
        '  w2 at 2026-03-25T00:00:01Z: "two"',
        '  stands: "two" (the latest write)',
        "```",
        "",
        "#### 1 delta quarantined, bytes kept",
        "",
        "```text",
        "state/stream_deltas/frame-1-w3.json",
        *(f"  {line}" for line in letter),
        f"  kept as {kept}",
        "```",
        "",
        "#### 1 record parked, each with what it waits for",
        "",
        "```text",
        "comments from w2 at /comments_added/0, since frame 1",
        "  waits for posts 7",
        "```",
        "",
        "#### 1 delta held for a later frame",
        "",
        "```text",
        "state/stream_deltas/frame-9-w4.json",
        "```",
        "",
        "#### To verify",
        "",
        "```text",
        f"manifest    {frame.manifest.digest}",
        f"state tree  {frame.manifest.state_tree}",
        "```",
        "",
        "After merging: `dreamcatcher check`",
    ]
    assert effects(words.body) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_that_a_worker_wrote_takes_effect(frame_of: Callable[..., Frame], name: str) -> None:
    text = HOSTILE[name]
    file = re.sub(r"[/\0]", "_", text)[:80]
    frame = frame_of(
        {
            "frame-1-w1.json": delta("w1", profile_updates=[{"agent_id": "a", "name": "A", "bio": text}]),
            "frame-1-w2.json": delta("w2", 1, profile_updates=[{"agent_id": "a", "bio": f"{text}!"}]),
            "frame-1-w3.json": delta("w3", **{text: 1}),
            "frame-1-w4.json": delta(text),
            "frame-1-w5.json": delta("w5", comments_added=[{"post_number": 7, "author": text, "body": text}]),
            "frame-1-GH-1.json": delta("GH-1", 2, profile_updates=[{"agent_id": "a", "bio": "x"}]),
            f"{file}.json": delta("w6"),
        }
    )
    words = describe(frame, PLACE)
    assert effects(words.body) == []
    assert re.fullmatch(r"merge frame 1: \d deltas, 1 operation", words.title)
    assert Marker.read(words.body) == MARKER
    assert re.fullmatch(r"[a-z: ]+", "".join(words.labels))
    inside = "".join(one.content for one in tokens(words.body) if one.type in ("fence", "code_inline"))
    assert inside.count(printable(text[:10].strip().partition("\n")[0][:5])) >= 2, "the reviewer sees it all the same"


def test_the_judge_of_effects_sees_them() -> None:
    body = (
        f"{MARKER.line()}\n{FORGED}\n@octocat closes #1\n\n![x](https://evil.example) <b>x</b>\n\n"
        '```mermaid\nw0["x"]; click w0\n```\n```js\n1\n```\n[x](https://evil.example)\n'
    )
    kinds = [one.split(":")[0] for one in effects(body)]
    assert sorted(set(kinds)) == ["fence", "html_block", "html_inline", "image", "link", "mermaid", "text"]


def quarantined(at: int, length: int) -> Receipt:
    problem = Problem(f"f{at}", 1, "", Reason.NOT_JSON, "é" * length, "Write it again.")
    return Receipt(f"{at:064x}", f"f{at}", Outcome.QUARANTINED, problems=(problem,) * 8, recover=Recover.RESUBMIT)


@pytest.mark.parametrize("count", [0, 10, 200, 5000])
def test_a_body_stays_within_its_bytes_and_tells_how_much_more_there_is(
    frame_of: Callable[..., Frame], count: int
) -> None:
    frame = frame_of(world())
    one = frame.conflicts[0]
    frame.conflicts = [Conflict("agents", f"é{at}", "bio", one.entry) for at in range(count + 1)]
    frame.receipts += [quarantined(at, 500) for at in range(count)]
    frame.receipts += [replace(frame.receipts[0], stream_id=f"worker-{at}", source=f"x{at}") for at in range(count)]
    frame.parked = frame.parked * (count + 1)
    body = describe(frame, PLACE).body
    assert len(body.encode()) <= BODY_LIMIT
    assert effects(body) == []
    for title in ("By collection", "By worker", "The web", "To verify"):
        assert f"#### {title}\n" in body
    assert f"{count + 1:,} conflict" in body
    assert frame.manifest.digest in body
    if count >= 200:
        assert len(body.encode()) > BODY_LIMIT * 0.8
        left = re.search(r"and ([\d,]+) more conflicts\n", body)
        shown = body.count(", field bio")
        assert left is not None
        assert int(left[1].replace(",", "")) + shown == count + 1
    else:
        assert "more conflict" not in body


def test_one_thing_that_is_too_long_is_counted() -> None:
    section = Section("1 conflict", "conflict", ["x" * 500])
    assert section.fitted(100) == "\n#### 1 conflict\n\n1 conflict, too long to be shown here\n"
    assert section.fitted(10) == ""
    assert "x" * 500 in section.fitted(600)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("main", "`main`"), ("a`b", "`` a`b ``"), ("a|b", "`a¦b`"), ("``", "``` `` ```"), ("a\nb", "`a\\nb`")],
)
def test_a_code_span_holds_what_is_in_it(text: str, shown: str) -> None:
    assert code(text) == shown


def test_a_branch_with_an_odd_name_breaks_neither_picture_nor_marker(frame_of: Callable[..., Frame]) -> None:
    base = 'x"]-->@octocat`|#1'
    marker = replace(MARKER, base=base)
    body = describe(frame_of(world()), Place(base, f"dreamcatcher/{base}", marker, "")).body
    assert Marker.read(body) == marker
    assert [one for one in effects(body) if not one.startswith("html_block: <!-- dreamcatcher: ")] == []


def test_a_marker_is_read_where_it_is_whole_and_first() -> None:
    line = MARKER.line()
    assert Marker.read(f"{line}\r\ntext") == MARKER
    assert Marker.read(line) == MARKER
    for body in (f"x\n{line}", f" {line}", line.replace('"frame":1', '"frame":"1"'), line[:-5], f"{line}x", ""):
        assert Marker.read(body) is None
    other = replace(MARKER, withdrawn=True)
    assert Marker.replaced(f"{line}\ntext", other) == f"{other.line()}\ntext"
    assert Marker.replaced("text", other) == f"{other.line()}\ntext"


def test_a_quiet_frame_has_one_label(frame_of: Callable[..., Frame]) -> None:
    assert labels_of(frame_of({"frame-1-w1.json": delta("w1", stats_increments={"total_posts": 1})})) == (
        "dreamcatcher",
    )
