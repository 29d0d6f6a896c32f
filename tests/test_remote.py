"""A remote over HTTP: what a push came to is what the ref says, and every refusal has its letter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from merge_bot.errors import DreamcatcherError, NoSuchBranch, RemoteRefused, RemoteUnreachable, RepositoryError
from merge_bot.git import Repository
from merge_bot.git.bare import bare_repository
from merge_bot.git.remote import Credentials, Outcome, Pushed, Remote
from tests.http_remote import TOKEN, HttpRemote, Push, protected
from tests.repo import AUTHOR, Repo

MAIN = "refs/heads/main"
W1 = "refs/heads/deltas/w1"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpRemote]:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file:http")
    (tmp_path / "server").mkdir()
    with HttpRemote(tmp_path / "server").serving() as remote:
        yield remote


@pytest.fixture
def clone(server: HttpRemote, repo: Repo) -> Iterator[Repository]:
    """A clone with one commit on main, which the server has."""
    repo.commit({"a": b"one\n"})
    repo.git("remote", "add", "origin", server.url)
    repo.git("push", "--quiet", "origin", "main")
    server.pushes.clear()
    with repo.opened() as repository:
        yield repository


def commit(repository: Repository, data: bytes, base: str | None = None) -> str:
    return repository.write_commit(base, {"file": data}, "a commit\n", AUTHOR, 1_700_000_000)


def rival(server: HttpRemote, ref: str, data: bytes = b"rival") -> str:
    """Somebody else's commit on a ref of the server, put there directly."""
    blob = server.repo.git("hash-object", "-w", "--stdin", stdin=data)
    tree = server.repo.git("mktree", stdin=f"100644 blob {blob}\tfile\n".encode())
    parents = [option for tip in [server.tip(ref)] if tip for option in ("-p", tip)]
    new = server.repo.git("-c", "user.name=r", "-c", "user.email=r@r", "commit-tree", tree, *parents, "-m", "rival")
    server.repo.git("update-ref", ref, new)
    return new


def test_a_push_that_arrives_is_mine(server: HttpRemote, clone: Repository) -> None:
    new = commit(clone, b"x")
    assert Remote(clone).push(new, W1, None) == Pushed(Outcome.MINE, new)
    assert server.pushes == [Push(W1, "0" * 40, new)]
    assert server.tip(W1) == new


def test_reading_gives_only_what_was_asked_for(server: HttpRemote, clone: Repository) -> None:
    one, two = rival(server, W1), rival(server, "refs/heads/deltas/w2", b"2")
    rival(server, "refs/heads/other/refs/heads/main")
    remote = Remote(clone, server.url)
    main = server.tip()
    assert remote.tips("refs/heads/deltas/*") == {W1: one, "refs/heads/deltas/w2": two}
    assert remote.tips(MAIN) == {MAIN: main}
    assert remote.tip("refs/heads/none") is None
    assert remote.branch() == MAIN == remote.branch("main")


def test_a_lost_reply_is_still_mine(server: HttpRemote, clone: Repository) -> None:
    server.lose_replies = 1
    new = commit(clone, b"x")
    assert Remote(clone).push(new, W1, None).outcome == Outcome.MINE
    assert len(server.pushes) == 1


def test_a_failure_of_another_ref_is_none_of_mine(server: HttpRemote, clone: Repository) -> None:
    server.says_failed_for = "refs/heads/other"
    new = commit(clone, b"x")
    assert Remote(clone).push(new, W1, None).outcome == Outcome.MINE


def test_mine_also_when_others_built_on_it_before_the_ref_was_read_again(server: HttpRemote, clone: Repository) -> None:
    new = commit(clone, b"x")
    tips: list[str] = []
    server.after_push = lambda _: tips.append(rival(server, W1))
    assert Remote(clone).push(new, W1, None) == Pushed(Outcome.MINE, tips[0])


@pytest.mark.parametrize("where", ["before the push", "during the push"])
def test_somebody_else_was_first(server: HttpRemote, clone: Repository, where: str) -> None:
    new = commit(clone, b"x")
    remote = Remote(clone)
    if where == "before the push":
        theirs = [rival(server, W1)]
    else:
        theirs = []
        server.before_push = lambda _: theirs.append(rival(server, W1))
    pushed = remote.push(new, W1, None)
    assert (pushed.outcome, pushed.tip) == (Outcome.MOVED, theirs[0])
    assert server.tip(W1) == theirs[0]


def test_the_lease_is_exact_also_for_a_descendant(server: HttpRemote, clone: Repository) -> None:
    """A push that would be a fast-forward from what is there is no push onto what was read."""
    remote, old = Remote(clone), server.tip()
    between = commit(clone, b"1", old)
    new = commit(clone, b"2", between)
    assert remote.push(between, MAIN, old).outcome == Outcome.MINE
    assert remote.push(new, MAIN, old).outcome == Outcome.MOVED
    assert remote.push(new, MAIN, between).outcome == Outcome.MINE


def test_a_branch_that_was_deleted_meanwhile_has_moved(server: HttpRemote, clone: Repository) -> None:
    old = rival(server, W1)
    clone.git.run("fetch", "--quiet", "origin", W1, writes=True)
    new = commit(clone, b"x", old)
    server.repo.git("update-ref", "-d", W1)
    assert Remote(clone).push(new, W1, old) == Pushed(Outcome.MOVED, None, ANY)


def test_a_passing_fault_leaves_it_unmoved(server: HttpRemote, clone: Repository) -> None:
    server.fail_pushes = 1
    new, remote = commit(clone, b"x"), Remote(clone)
    first = remote.push(new, W1, None)
    assert (first.outcome, first.tip) == (Outcome.UNMOVED, None)
    assert "502" in first.letter and "trying again is useless" in first.letter
    assert remote.push(new, W1, None).outcome == Outcome.MINE


class _Any(str):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)

    __hash__ = str.__hash__


ANY = _Any()


def test_protected_branches_say_what_to_change(server: HttpRemote, clone: Repository) -> None:
    old = server.tip()
    new = commit(clone, b"x", old)
    server.hook("pre-receive", protected("GH006"))
    pushed = Remote(clone).push(new, MAIN, old)
    assert (pushed.outcome, pushed.tip) == (Outcome.REFUSED, old)
    assert pushed.letter == (
        f"The remote {server.url} refuses pushes to main:\n"
        "  remote: error: GH006: Protected branch update failed for refs/heads/main.        \n"
        "  remote: \n"
        "  remote: - Changes must be made through a pull request.        \n"
        f"  error: failed to push some refs to '{server.url}'\n"
        f"  ! {new}:refs/heads/main [remote rejected] (pre-receive hook declined)\n"
        "Branch protection guards main: Settings > Branches. Allow the merge's token under \"Allow specified actors to "
        'bypass required pull requests", or lift the rule for this branch.\n'
        "Or let the merge open a pull request instead of pushing (mode: pull-request)."
    )
    server.hook("pre-receive", protected("GH013"))
    letter = Remote(clone).push(new, MAIN, old).letter
    assert "A ruleset guards main: Settings > Rules > Rulesets." in letter
    assert Remote(clone).push(new, W1, None).outcome == Outcome.MINE


def test_a_race_inside_the_server_is_no_refusal(server: HttpRemote, clone: Repository) -> None:
    server.before_push = lambda push: server.repo.git("update-ref", push.ref, server.tip())
    new = commit(clone, b"x")
    assert Remote(clone).push(new, W1, None).outcome == Outcome.MOVED


LETTERS: list[tuple[str, Callable[[HttpRemote], str], type[DreamcatcherError], str]] = [
    ("unreachable", lambda server: "http://127.0.0.1:9/x.git", RemoteUnreachable, "could not be reached"),
    ("a broken server", lambda server: _broken(server), RemoteUnreachable, "502"),
    ("no repository", lambda server: server.url.replace("world", "void"), RemoteRefused, "There is no git repository"),
    ("no folder", lambda server: "/nowhere/at/all.git", RemoteRefused, "There is no git repository"),
    ("no token", lambda server: _locked(server), RemoteRefused, "Workflow permissions"),
]


def _broken(server: HttpRemote) -> str:
    server.fail_reads = 9
    return server.url


def _locked(server: HttpRemote) -> str:
    server.token = TOKEN
    return server.url


@pytest.mark.parametrize(("url", "error", "text"), [row[1:] for row in LETTERS], ids=[row[0] for row in LETTERS])
def test_what_cannot_be_read_has_its_letter(
    server: HttpRemote,
    clone: Repository,
    url: Callable[[HttpRemote], str],
    error: type[DreamcatcherError],
    text: str,
) -> None:
    with pytest.raises(error) as raised:
        Remote(clone, url(server)).tip(MAIN)
    assert text in str(raised.value)
    assert raised.value.exit_code == (75 if error is RemoteUnreachable else 1)


def test_no_right_to_push(server: HttpRemote, clone: Repository) -> None:
    server.read_only = True
    pushed = Remote(clone).push(commit(clone, b"x"), W1, None)
    assert pushed.outcome == Outcome.REFUSED
    assert "does not let us write to it" in pushed.letter
    assert "permissions: contents: write" in pushed.letter
    assert "Settings > Actions > General > Workflow permissions" in pushed.letter


def test_when_the_ref_cannot_be_read_afterwards_nobody_claims_anything(server: HttpRemote, clone: Repository) -> None:
    def go_away(_: Push) -> None:
        server.fail_reads = 9

    server.after_push = go_away
    new, remote = commit(clone, b"x"), Remote(clone)
    with pytest.raises(RemoteUnreachable):
        remote.push(new, W1, None)
    server.fail_reads = 0
    assert remote.holds(W1, new)


def test_branches_that_are_not_there(server: HttpRemote, clone: Repository) -> None:
    remote = Remote(clone)
    with pytest.raises(NoSuchBranch) as raised:
        remote.branch("master")
    assert str(raised.value) == (
        f"The remote {server.url} has no branch master. Its default branch is main: was it renamed? Name the right "
        "one with --base."
    )
    with pytest.raises(NoSuchBranch, match="has no branch master"):
        remote.fetch(["+refs/heads/master:refs/dreamcatcher/x"])
    server.repo.git("update-ref", "-d", MAIN)
    for name in (None, "main"):
        with pytest.raises(RepositoryError, match="is empty"):
            remote.branch(name)


def test_names_that_are_no_remote(clone: Repository) -> None:
    for name, text in (("upstream", "neither a remote"), ("--upload-pack=touch x", "cannot be"), ("", "cannot be")):
        with pytest.raises(RepositoryError, match=text):
            Remote(clone, name)


@pytest.mark.parametrize("how", ["credentials", "url"])
def test_a_token_leaves_by_environment_alone(
    server: HttpRemote, clone: Repository, repo: Repo, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    server.token = TOKEN
    caplog.set_level("DEBUG")
    if how == "credentials":
        remote = Remote(clone, "origin", Credentials(TOKEN))
    else:
        from urllib.parse import quote

        remote = Remote(clone, server.url.replace("//", f"//x-access-token:{quote(TOKEN, safe='')}@"))
    new = commit(clone, b"x")
    assert remote.push(new, W1, None).outcome == Outcome.MINE
    assert remote.tip(W1) == new
    server.hook("pre-receive", f"echo '{TOKEN}'; exit 1")
    letter = remote.push(commit(clone, b"y", new), W1, new).letter
    assert "remote: ***" in letter
    everything = caplog.text + letter + (repo.path / ".git/config").read_text() + repr(remote.__dict__)
    assert TOKEN not in everything and "eC1hY2Nlc3" not in everything
    assert "$ git push" in caplog.text


def test_our_token_takes_the_place_of_a_stored_one(server: HttpRemote, clone: Repository, repo: Repo) -> None:
    """A checkout action leaves its own header in .git/config; with two, GitHub answers 400."""
    repo.git("config", f"http.http://127.0.0.1:{server.port}/.extraheader", "AUTHORIZATION: basic b2xk")
    server.token = TOKEN
    with repo.opened() as repository:
        assert Remote(repository, "origin", Credentials(TOKEN)).tip(MAIN) == server.tip()
    assert set(server.headers[-2:]) == {server.headers[-1]}
    assert "b2xk" not in server.headers[-1]


def test_a_repository_for_a_while_reaches_what_the_clone_reaches(
    server: HttpRemote, clone: Repository, repo: Repo
) -> None:
    from base64 import b64encode

    server.token = TOKEN
    header = b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    repo.git("config", f"http.http://127.0.0.1:{server.port}/.extraheader", f"AUTHORIZATION: basic {header}")
    with bare_repository(server.url, like=clone) as mine:
        remote = Remote(mine, "target")
        remote.fetch([f"+{MAIN}:refs/dreamcatcher/base"], depth=1)
        assert mine.resolve("refs/dreamcatcher/base") == server.tip()
        place = mine.git_dir
    assert not place.exists()
    assert repo.refs() == ["refs/heads/main", "refs/remotes/origin/main"]
