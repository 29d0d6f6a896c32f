"""Git in tests is real git, in a home of its own: no settings of whoever runs them, no network, no questions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.move import Move
from tests.repo import Repo

# A slow machine is no fault of the code. `pytest --hypothesis-profile=long` looks longer.
settings.register_profile("usual", deadline=None)
settings.register_profile("long", deadline=None, max_examples=3000)
settings.register_profile("fuzz", deadline=None, max_examples=20_000)  # make fuzz
settings.load_profile("usual")

_SETTINGS = """\
[user]
\tname = Tester
\temail = tester@example.com
[init]
\tdefaultBranch = main
[advice]
\tdetachedHead = false
"""


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    (home / "gitconfig").write_text(_SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
        patch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("GIT_ALLOW_PROTOCOL", "file")
        patch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path_factory.getbasetemp()))
        yield


@pytest.fixture
def make_repo(tmp_path: Path) -> Callable[..., Repo]:
    """Makes repositories: `make_repo("name", "--bare")`."""

    def make(name: str = "repo", *options: str) -> Repo:
        return Repo.init(tmp_path / name, *options)

    return make


@pytest.fixture
def repo(make_repo: Callable[..., Repo]) -> Repo:
    """An empty repository with a work tree, on branch main."""
    return make_repo()


@pytest.fixture
def move(repo: Repo) -> Move:
    """A clean clone, and a merge commit that its branch is about to move to."""
    return Move(repo)
