"""This repository's own `state/` is a small merged world, made by the tool: it is verified like anybody's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from merge_bot.cli.main import main

ROOT = Path(__file__).parent.parent


def test_our_own_state_is_proven_from_the_genesis_on(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["git", "-C", str(ROOT), "rev-parse", "--is-shallow-repository"]
    if subprocess.run(asked, capture_output=True, text=True).stdout != "false\n":
        pytest.skip("this is no clone with all of its history")
    assert main(["verify", "--repo", str(ROOT)]) == 0, capsys.readouterr()
    assert main(["replay", "--from", "1", "--to", "2", "--repo", str(ROOT)]) == 0, capsys.readouterr()
