"""The edge to GitHub Actions: what it reads, and that no text of others becomes a command on its way out."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from merge_bot.actions import (
    SUMMARY_LIMIT,
    ActionEnvironment,
    ActionError,
    Inputs,
    run_name,
)
from merge_bot.workflow_commands import NeutralStream, annotation, mask, neutralise
from merge_bot.workspace import hand_back

RUNNER = {
    "GITHUB_WORKSPACE": "/github/workspace",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_EVENT_PATH": "/github/workflow/event.json",
    "GITHUB_SHA": "0" * 40,
    "GITHUB_REPOSITORY": "octo/world",
    "GITHUB_SERVER_URL": "https://git.example",
    "GITHUB_API_URL": "https://git.example/api/v3",
    "GITHUB_GRAPHQL_URL": "https://git.example/api/graphql",
    "GITHUB_RUN_ID": "1658821493",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_OUTPUT": "/github/file_commands/set_output_1",
    "GITHUB_STEP_SUMMARY": "/github/file_commands/step_summary_1",
    "INPUT_BASE": "",
    "INPUT_DRY-RUN": "false",
    "INPUT_SETTINGS": ".github/dreamcatcher.yml",
}


def runner_reads(line: str) -> bool:
    """Whether the runner would look for a command in this line (ActionCommand.TryParseV2, TryParse)."""
    return line.lstrip().startswith("::") or "##[" in line


def outputs_of(data: str) -> dict[str, str]:
    """A file of outputs as the runner reads it (EnvFileKeyValuePairs)."""
    found = {}
    lines = iter(data.split("\n"))
    for line in lines:
        if line:
            name, delimiter = line.split("<<", 1)
            value = list(iter(lambda: next(lines), delimiter))
            found[name] = "\n".join(value)
    return found


def test_everything_the_runner_says_is_read() -> None:
    assert ActionEnvironment.from_environ(RUNNER) == ActionEnvironment(
        workspace=Path("/github/workspace"),
        branch="main",
        inputs=Inputs(base="", dry_run=False, settings=".github/dreamcatcher.yml"),
        event_name="push",
        event_path=Path("/github/workflow/event.json"),
        ref="refs/heads/main",
        sha="0" * 40,
        repository="octo/world",
        server_url="https://git.example",
        api_url="https://git.example/api/v3",
        graphql_url="https://git.example/api/graphql",
        run_id="1658821493",
        run_attempt="2",
        output_file=Path("/github/file_commands/set_output_1"),
        summary_file=Path("/github/file_commands/step_summary_1"),
    )


@pytest.mark.parametrize(
    ("server", "page"),
    [
        ("", "https://github.com/octo/world"),
        ("https://git.example", "https://git.example/octo/world"),
        ("https://git.example:8443/", "https://git.example:8443/octo/world"),
        ("http://host/github", "http://host/github/octo/world"),
    ],
)
def test_a_server_of_one_s_own_is_where_the_repository_is(server: str, page: str) -> None:
    environ = {**RUNNER, "GITHUB_SERVER_URL": server, "INPUT_GITHUB-TOKEN": "t"}
    assert ActionEnvironment.from_environ(environ).web_url == page


def test_every_input_is_read() -> None:
    told = {
        "INPUT_GITHUB-TOKEN": "ghs_x",
        "INPUT_MODE": "pull-request",
        "INPUT_AUTO-MERGE": "rebase",
        "INPUT_LABELS": " Bots, needs: review\n\ndreamcatcher,bots ",
        "INPUT_COMMIT-MODE": "api",
        "INPUT_ON-INVALID": "fail",
        "INPUT_GRACE-SECONDS": "0",
        "INPUT_DRY-RUN": "true",
        "INPUT_BASE": "x",
        "INPUT_SETTINGS": "s.yml",
    }
    assert ActionEnvironment.from_environ({**RUNNER, **told}).inputs == Inputs(
        "x",
        "pull-request",
        "rebase",
        ("bots", "needs: review", "dreamcatcher"),
        "api",
        "fail",
        0,
        "s.yml",
        True,
        "ghs_x",
    )


def test_a_token_is_in_no_representation() -> None:
    environment = ActionEnvironment.from_environ({**RUNNER, "INPUT_GITHUB-TOKEN": "ghs_x"})
    assert environment.inputs.github_token == "ghs_x" and "ghs_x" not in repr(environment)


def test_a_masked_secret_is_one_command_whatever_is_in_it() -> None:
    assert mask("a%b\r\n::error::c") == "::add-mask::a%25b%0D%0A::error::c"


def test_a_bare_environment_has_the_defaults_of_github_com() -> None:
    bare = {"GITHUB_WORKSPACE": "/w", "GITHUB_REF": "refs/heads/x/y"}
    assert ActionEnvironment.from_environ(bare) == ActionEnvironment(
        workspace=Path("/w"),
        branch="x/y",
        inputs=Inputs(),
        ref="refs/heads/x/y",
        server_url="https://github.com",
        api_url="https://api.github.com",
        graphql_url="https://api.github.com/graphql",
    )


@pytest.mark.parametrize(
    ("raw", "meant"),
    [("true", True), ("True", True), ("TRUE", True), ("false", False), ("FALSE", False), (" true ", True), ("", False)],
)
def test_booleans_are_those_of_the_toolkit(raw: str, meant: bool) -> None:
    assert ActionEnvironment.from_environ({**RUNNER, "INPUT_DRY-RUN": raw}).inputs.dry_run is meant


@pytest.mark.parametrize("raw", ["main", "refs/heads/main", " main\n"])
def test_the_base_may_be_a_branch_or_its_ref_and_wins_over_the_workflow_s(raw: str) -> None:
    environ = {**RUNNER, "GITHUB_REF": "refs/pull/7/merge", "INPUT_BASE": raw}
    assert ActionEnvironment.from_environ(environ).branch == "main"


BASE = "input `base` is {}. Write the name of a branch, like `main`."
SETTINGS = "input `settings` is {}. Write a path inside the repository, with `/` between its parts."
WRONG = [
    ("no boolean", {"INPUT_DRY-RUN": "yes"}, 'input `dry-run` is "yes". Write `true` or `false`.'),
    (
        "a command as boolean",
        {"INPUT_DRY-RUN": "1\n::error::x"},
        r'input `dry-run` is "1\n::error::x". Write `true` or `false`.',
    ),
    (
        "no workspace",
        {"GITHUB_WORKSPACE": ""},
        'GITHUB_WORKSPACE is "", not an absolute path. '
        "This command runs as a step of a GitHub workflow; elsewhere use `dreamcatcher merge`.",
    ),
    (
        "not on a branch",
        {"GITHUB_REF": "refs/pull/7/merge"},
        'the workflow runs on "refs/pull/7/merge", which is not a branch, and input `base` is empty. '
        "Set `base` to the branch to merge into.",
    ),
    ("an option", {"INPUT_BASE": "--upload-pack=x"}, BASE.format('"--upload-pack=x"')),
    ("two dots", {"INPUT_BASE": "a..b"}, BASE.format('"a..b"')),
    ("a blank", {"INPUT_BASE": "a b"}, BASE.format('"a b"')),
    ("a line", {"INPUT_BASE": "a\nb"}, BASE.format(r'"a\nb"')),
    ("a reflog", {"INPUT_BASE": "a@{1}"}, BASE.format('"a@{1}"')),
    ("a lock", {"INPUT_BASE": "a.lock"}, BASE.format('"a.lock"')),
    ("an empty branch", {"INPUT_BASE": "refs/heads/"}, BASE.format('"refs/heads/"')),
    ("above the repository", {"INPUT_SETTINGS": "../x.yml"}, SETTINGS.format('"../x.yml"')),
    ("absolute", {"INPUT_SETTINGS": "/etc/passwd"}, SETTINGS.format('"/etc/passwd"')),
    ("backslash", {"INPUT_SETTINGS": "a\\b"}, SETTINGS.format(r'"a\\b"')),
    ("control sign", {"INPUT_SETTINGS": "a\x1b[2Jb"}, SETTINGS.format(r'"a\u001b[2Jb"')),
    ("no such mode", {"INPUT_MODE": "pr"}, 'input `mode` is "pr". Write `commit` or `pull-request`.'),
    (
        "no such method",
        {"INPUT_AUTO-MERGE": "true", "INPUT_MODE": "pull-request", "INPUT_GITHUB-TOKEN": "t"},
        'input `auto-merge` is "true". Write `false`, `merge`, `squash` or `rebase`.',
    ),
    ("invalid", {"INPUT_ON-INVALID": "ignore"}, 'input `on-invalid` is "ignore". Write `quarantine` or `fail`.'),
    *(
        (
            f"grace {raw}",
            {"INPUT_GRACE-SECONDS": raw},
            f'input `grace-seconds` is "{raw}". Write a whole number of seconds, at most 86,400, or nothing: then the '
            "settings say it.",
        )
        for raw in ("-1", "1.5", "86401", "٣", "1e3")
    ),
    ("no such maker", {"INPUT_COMMIT-MODE": "API"}, 'input `commit-mode` is "API". Write `git` or `api`.'),
    (
        "the API without a token",
        {"INPUT_COMMIT-MODE": "api"},
        "`commit-mode: api` needs a token, and input `github-token` is empty.",
    ),
    *(
        (
            f"label {raw[:5]}",
            {"INPUT_LABELS": f"fine,{raw}", "INPUT_MODE": "pull-request", "INPUT_GITHUB-TOKEN": "t"},
            f"input `labels` has {json.dumps(raw)}. A label is one line of at most 50 characters; write commas or line "
            "ends between labels.",
        )
        for raw in ("x" * 51, "a\x1bb")
    ),
    (
        "many labels",
        {"INPUT_LABELS": ",".join(map(str, range(91))), "INPUT_MODE": "pull-request", "INPUT_GITHUB-TOKEN": "t"},
        "input `labels` has 91 labels. Write at most 90.",
    ),
    (
        "labels of a commit",
        {"INPUT_LABELS": "bots"},
        "input `labels` is about pull requests. Set `mode: pull-request` too, or leave it out.",
    ),
    (
        "auto-merge of a commit",
        {"INPUT_AUTO-MERGE": "squash"},
        "input `auto-merge` is about pull requests. Set `mode: pull-request` too, or leave it out.",
    ),
    (
        "a pull request without a token",
        {"INPUT_MODE": "pull-request"},
        "`mode: pull-request` needs a token, and input `github-token` is empty.",
    ),
    (
        "a token that is none",
        {"INPUT_GITHUB-TOKEN": "s3cret\nx"},
        "input `github-token` has blanks or other signs in it that no token has.",
    ),
    *(
        (
            f"repository {number}",
            {"INPUT_GITHUB-TOKEN": "t", "GITHUB_REPOSITORY": raw},
            f"GITHUB_REPOSITORY is {json.dumps(raw)}, not like OWNER/NAME.",
        )
        for number, raw in enumerate(("", "world", "octo/world/x", "octo/..", "-o x/y", "a/b\n", "octo/@host"))
    ),
    *(
        (
            f"server {raw}",
            {"INPUT_GITHUB-TOKEN": "t", "GITHUB_SERVER_URL": raw},
            f'GITHUB_SERVER_URL is "{raw}", not like https://github.com.',
        )
        for raw in ("git.example", "file:///etc", "https://user:pass@git.example", "https://git.example?x", "ext::sh")
    ),
    (
        "long",
        {"INPUT_DRY-RUN": "x" * 500},
        f'input `dry-run` is "{"x" * 80}…" (500 characters). Write `true` or `false`.',
    ),
]


@pytest.mark.parametrize(("environ", "letter"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_wrong_start_gets_a_letter(environ: dict[str, str], letter: str) -> None:
    with pytest.raises(ActionError) as error:
        ActionEnvironment.from_environ({**RUNNER, **environ})
    assert str(error.value) == f"The action cannot start:\n  {letter}"


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ActionError) as error:
        ActionEnvironment.from_environ({"INPUT_DRY-RUN": "y", "INPUT_SETTINGS": "/x"})
    assert len(str(error.value).splitlines()) == 5


@pytest.mark.parametrize(
    "name", ["main", "x/y", "a.b", "release-1.0", "ünïcode", "a@b", "@{", "a/.b", ".a", "a/", "a."]
)
def test_branch_names_are_judged_as_git_does(name: str) -> None:
    allowed = subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False).returncode == 0
    ours = contextlib.nullcontext() if allowed else pytest.raises(ActionError)
    with ours:
        ActionEnvironment.from_environ({**RUNNER, "INPUT_BASE": name})


HOSTILE_VALUES = [
    "405",
    "",
    "two\nlines",
    "x\nEOF\nframe=1",
    "a=b",
    "a<<b\nc",
    "\nghadelimiter_0\nstolen=1",
    "carriage\rreturn\r\n",
    "::set-output name=a::b",
    "ünïcode \U0001f578",
]


@pytest.mark.parametrize("value", HOSTILE_VALUES)
def test_an_output_is_what_was_given_and_sets_nothing_else(tmp_path: Path, value: str) -> None:
    env = ActionEnvironment(Path("/w"), "main", Inputs(), output_file=tmp_path / "out")
    env.output("first", value)
    env.output("second-one", "2")
    assert outputs_of((tmp_path / "out").read_bytes().decode()) == {"first": value, "second-one": "2"}


def test_delimiters_never_repeat(tmp_path: Path) -> None:
    env = ActionEnvironment(Path("/w"), "main", Inputs(), output_file=tmp_path / "out")
    for _ in range(5):
        env.output("a", "x")
    assert len(set(re.findall(r"<<([0-9a-f]{32})\n", (tmp_path / "out").read_text()))) == 5


def test_lone_surrogates_still_leave_valid_utf8(tmp_path: Path) -> None:
    env = ActionEnvironment(Path("/w"), "main", Inputs(), output_file=tmp_path / "o", summary_file=tmp_path / "s")
    env.output("a", "\ud800")
    env.summary("\udfff")
    assert outputs_of((tmp_path / "o").read_text(encoding="utf-8")) == {"a": r"\ud800"}
    assert (tmp_path / "s").read_text(encoding="utf-8") == r"\udfff"


@pytest.mark.parametrize("name", ["", "A", "a b", "a=b", "a<<b", "a\nb", "-a", "a_b"])
def test_an_output_s_name_is_ours(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not an output name"):
        ActionEnvironment(Path("/w"), "main", Inputs(), output_file=tmp_path / "out").output(name, "x")


def test_without_files_nothing_is_written() -> None:
    env = ActionEnvironment(Path("/w"), "main", Inputs())
    env.output("a", "x")
    env.summary("x")


def test_a_summary_that_fits_is_whole(tmp_path: Path) -> None:
    env = ActionEnvironment(Path("/w"), "main", Inputs(), summary_file=tmp_path / "s")
    env.summary("a" * (SUMMARY_LIMIT - 4))
    env.summary("ab\n\n")
    assert (tmp_path / "s").read_bytes() == b"a" * (SUMMARY_LIMIT - 4) + b"ab\n\n"


@pytest.mark.parametrize(
    "markdown", ["line ü\n" * 200_000, "ü" * SUMMARY_LIMIT, "x" + "ü" * SUMMARY_LIMIT], ids=["lines", "even", "odd"]
)
def test_a_summary_too_long_is_cut_within_the_limit_and_says_so(tmp_path: Path, markdown: str) -> None:
    env = ActionEnvironment(Path("/w"), "main", Inputs(), summary_file=tmp_path / "s")
    env.summary(markdown)
    data = (tmp_path / "s").read_bytes()
    kept, note = data.decode().split("\n\n**")
    assert SUMMARY_LIMIT - 80 < len(data) <= SUMMARY_LIMIT
    assert markdown.startswith(kept)
    assert "\n" not in markdown or kept.endswith("ü")
    assert note == f"This summary was cut: {len(markdown.encode()) - len(kept.encode())} more bytes did not fit.**\n"
    env.summary("more")
    assert len((tmp_path / "s").read_bytes()) <= SUMMARY_LIMIT


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (annotation("error", "plain"), "::error::plain"),
        (annotation("warning", "m", file="state/a.json", line=3), "::warning file=state/a.json,line=3::m"),
        (annotation("notice", "m", title="a: b, c"), "::notice title=a%3A b%2C c::m"),
        (annotation("error", "100%\r\n::stop::"), "::error::100%25%0D%0A::stop::"),
        (
            annotation("error", "m", file="a,line=9::x\n::debug::y%"),
            "::error file=a%2Cline=9%3A%3Ax%0A%3A%3Adebug%3A%3Ay%25::m",
        ),
        (annotation("error", "m", line=3), "::error::m"),
    ],
)
def test_annotations_escape_as_the_toolkit_does(given: str, line: str) -> None:
    assert given == line


HOSTILE_LINES = [
    ("plain", "plain"),
    ("a ::b::", "a ::b::"),
    ("::error::x", ": :error::x"),
    ("  ::error::x", "  : :error::x"),
    ("\t::add-mask::x", "\t: :add-mask::x"),
    ("\u00a0\u2003::error::x", "\u00a0\u2003: :error::x"),
    (":::error::x", ": ::error::x"),
    ("::::", ": :::"),
    ("##[error]x", "## [error]x"),
    ("a ##[group]b ##[c]", "a ## [group]b ## [c]"),
    ("###[x]", "### [x]"),
    ("a\n::b::c\nd", "a\n: :b::c\nd"),
    ("a\r::b::c", "a\r: :b::c"),
    ("a\r\n ::b::c\r\n", "a\r\n : :b::c\r\n"),
    ("a\v::b::c\x85::d::e", "a\v::b::c\x85::d::e"),
    ("\n\n::\n", "\n\n: :\n"),
    ("\u2028::x::", "\u2028: :x::"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "harmless"), HOSTILE_LINES)
def test_no_line_can_start_a_command(text: str, harmless: str) -> None:
    assert neutralise(text) == harmless
    assert neutralise(harmless) == harmless
    assert not any(runner_reads(line) for line in re.split(r"\r\n|\r|\n", harmless))


@pytest.mark.parametrize(("text", "harmless"), HOSTILE_LINES)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_stream_is_harmless_however_it_is_written(text: str, harmless: str, size: int) -> None:
    below = io.StringIO(newline="")
    with NeutralStream(below) as stream:
        for start in range(0, len(text), size):
            stream.write(text[start : start + size])
            stream.flush()
    assert below.getvalue() == (harmless if harmless.endswith("\n") or not harmless else harmless + "\n")


def test_our_own_commands_pass_on_a_line_of_their_own() -> None:
    below = io.StringIO()
    stream = NeutralStream(below)
    print("half", end="", file=stream)
    stream.command(annotation("error", "a\n::b::") + "\n::c::")
    print("::d::", file=stream)
    assert below.getvalue() == "half\n::error::a%0A::b:: ::c::\n: :d::\n"


def test_a_stream_survives_what_cannot_be_encoded() -> None:
    below = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    print("\ud800", file=NeutralStream(below), flush=True)
    assert below.buffer.getvalue() == b"\\ud800\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "17"}, "github-17"),
        ({"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "17", "GITHUB_RUN_ATTEMPT": "2"}, "github-17"),
        ({"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "17", "GITHUB_JOB": "night-shift"}, "github-17-night-shift"),
        ({"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "17", "GITHUB_JOB": "../x"}, "github-17"),
        ({"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "../x"}, None),
        ({"GITHUB_RUN_ID": "17"}, None),
        ({}, None),
    ],
)
def test_a_run_keeps_its_name_when_it_is_tried_again(environ: dict[str, str], name: str | None) -> None:
    assert run_name(environ) == name


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@needs_root
def test_what_root_made_goes_back_to_the_workspace_s_owner(tmp_path: Path) -> None:
    workspace, outside = tmp_path / "workspace", tmp_path / "outside"
    (workspace / "state" / "frames").mkdir(parents=True)
    outside.write_text("not ours to give")
    (workspace / "state" / "frames" / "a.json").write_text("{}")
    (workspace / "link").symlink_to(outside)
    (workspace / "second-name").hardlink_to(outside)
    (workspace / "theirs").write_text("")
    os.chown(workspace, 1001, 1002)
    os.chown(workspace / "theirs", 1003, 1003)

    assert hand_back(workspace) == 4  # state, frames, a.json, the link itself

    owners = {
        str(path.relative_to(tmp_path)): (path.lstat().st_uid, path.lstat().st_gid)
        for path in [outside, *workspace.rglob("*")]
    }
    assert owners == {
        "outside": (0, outside.lstat().st_gid),
        "workspace/state": (1001, 1002),
        "workspace/state/frames": (1001, 1002),
        "workspace/state/frames/a.json": (1001, 1002),
        "workspace/link": (1001, 1002),
        "workspace/second-name": (0, outside.lstat().st_gid),
        "workspace/theirs": (1003, 1003),
    }
    assert hand_back(workspace) == 0


def test_a_workspace_of_our_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    assert hand_back(tmp_path) == 0
