"""What a release does to the repository, run as the workflow runs it, against a real remote that asks for a token."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from merge_bot import __version__
from tests.http_remote import TOKEN, HttpRemote
from tests.repo import Repo

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / ".ci" / "release"
DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE = "ghcr.io/octo/dreamcatcher-action"


@dataclass
class Maintainer:
    """The runner's checkout: no credentials in it."""

    server: HttpRemote
    repo: Repo

    def run(self, *arguments: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "TOKEN": token, "GITHUB_SERVER_URL": self.server.url.removesuffix("/world.git")}
        done = subprocess.run(
            [str(SCRIPT), *arguments], cwd=self.repo.path, env=environment, capture_output=True, text=True, check=False
        )
        basic = b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        shown = (done.stdout + done.stderr).replace(f"::add-mask::{basic}\n", "", 1)
        assert not any(secret in shown or secret in self.config for secret in (TOKEN, basic))
        return done

    @property
    def config(self) -> str:
        return (self.repo.path / ".git" / "config").read_text()

    def release(self, version: str, digest: str = DIGEST, image: str = IMAGE) -> subprocess.CompletedProcess[str]:
        """A run on main as it is: `publish` alone, because `check` holds a version against the code's."""
        self.repo.git("reset", "--quiet", "--hard", "main")
        self.repo.git("checkout", "--quiet", "--detach", "main")
        built = self.repo.path.parent / "built.json"
        built.write_text(json.dumps({"containerimage.digest": digest, "image.name": f"{image}:{version}"}))
        return self.run("publish", version, image, str(built))

    def tags(self) -> dict[str, str]:
        lines = self.server.repo.git(
            "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/tags"
        ).splitlines()
        return dict(line.split() for line in lines)


@pytest.fixture
def maintainer(tmp_path: Path, make_repo: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Maintainer]:
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file:http")
    (tmp_path / "server").mkdir()
    with HttpRemote(tmp_path / "server", TOKEN).serving() as server:
        repo = Repo.init(tmp_path / "checkout")
        (repo.path / "merge_bot").mkdir()
        for name in ("action.yml", "merge_bot/__init__.py"):
            shutil.copy(ROOT / name, repo.path / name)
        repo.git("add", "--all")
        repo.commit()
        repo.git("push", "--quiet", str(server.repo.path), "main")
        repo.git("remote", "add", "origin", server.url)
        yield Maintainer(server, repo)


def test_the_code_s_version_may_be_released_once(maintainer: Maintainer) -> None:
    assert maintainer.run("check", __version__).returncode == 0
    assert maintainer.release(__version__).returncode == 0
    for done in (maintainer.run("check", __version__), maintainer.release(__version__, "sha256:" + "f" * 64)):
        assert (done.returncode, f"::error::There is a release v{__version__} already.\n" in done.stdout) == (1, True)


@pytest.mark.parametrize(
    "version", ["", "1", "1.2", "v1.2.3", "1.2.3-rc1", "01.2.3", "1.2.3\n", "1.2.3;touch x", "$(x)"]
)
def test_what_is_no_version_is_refused(maintainer: Maintainer, version: str) -> None:
    for command in ("check", "publish"):
        done = maintainer.run(command, version, IMAGE, "built.json")
        assert (done.returncode, done.stdout) == (1, "::error::Write the version like 1.2.3.\n")
    assert maintainer.server.requests == []


def test_another_version_than_the_code_s_is_refused(maintainer: Maintainer) -> None:
    done = maintainer.run("check", "99.0.0")
    assert (done.returncode, "has another version than 99.0.0. Change it there first." in done.stdout) == (1, True)


def test_a_remote_that_cannot_be_asked_is_no_new_version(maintainer: Maintainer) -> None:
    assert maintainer.run("check", __version__, token="").returncode != 0


def test_the_action_that_a_tag_names_runs_the_image_by_its_digest(maintainer: Maintainer) -> None:
    before = maintainer.server.tip()
    assert maintainer.release("1.2.3").returncode == 0
    tags = maintainer.tags()
    assert sorted(tags) == ["v1", "v1.2.3"] and tags["v1"] == tags["v1.2.3"]
    assert maintainer.server.tip() == before
    git = maintainer.server.repo.git
    assert git("rev-parse", "v1^") == before
    changed = git("diff", "--unified=0", "main", "v1").splitlines()[4:]
    assert changed[1:] == ["-  image: Dockerfile", f"+  image: docker://{IMAGE}@{DIGEST}"]
    assert git("log", "-1", "--format=%s %an", "v1") == "Release 1.2.3 github-actions[bot]"


def test_a_major_version_s_tag_is_at_its_newest_release(maintainer: Maintainer) -> None:
    expected = {"1.2.3": "1.2.3", "1.9.0": "1.9.0", "1.10.0": "1.10.0", "1.9.1": "1.10.0", "10.0.0": "1.10.0"}
    maintainer.server.repo.git("tag", "v1.99-draft", "main")
    for version, newest in expected.items():
        done = maintainer.release(version, f"sha256:{version.replace('.', ''):0>64}")
        assert done.returncode == 0, done.stderr
        assert ("v1 stays where it is" in done.stdout) is (version == "1.9.1")
        tags = maintainer.tags()
        assert tags["v1"] == tags[f"v{newest}"]
    assert tags["v10"] == tags["v10.0.0"]


@pytest.mark.parametrize(
    ("digest", "image", "letter"),
    [
        ("sha256:" + "0" * 63, IMAGE, "The image's digest is sha256:"),
        (DIGEST + "|x", IMAGE, "The image's digest is sha256:"),
        (DIGEST, "ghcr.io/octo/x|y", "not like ghcr.io/owner/name."),
        (DIGEST, "Octo/World", "not like ghcr.io/owner/name."),
    ],
)
def test_what_is_no_image_is_released_nowhere(maintainer: Maintainer, digest: str, image: str, letter: str) -> None:
    done = maintainer.release("1.2.3", digest, image)
    assert (done.returncode, letter in done.stdout, maintainer.tags()) == (1, True, {})


def test_without_its_line_in_action_yml_nothing_is_released(maintainer: Maintainer) -> None:
    maintainer.repo.commit({"action.yml": b"runs:\n  image: docker://other\n"})
    done = maintainer.release("1.2.3")
    assert (done.returncode, "action.yml has no line" in done.stdout, maintainer.tags()) == (1, True, {})


def test_both_tags_arrive_or_none(maintainer: Maintainer) -> None:
    maintainer.server.hook("update", '[ "$1" != refs/tags/v1 ]')
    assert maintainer.release("1.2.3").returncode != 0
    assert maintainer.tags() == {}
