"""Files that travel with the package, for `init` to write into a repository."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def example_schemas() -> dict[str, bytes]:
    """The example world's schemas by file name, sorted: {"agents.schema.json": b"…", …}.

    An installed package carries them inside; in a checkout they lie beside it, at the root of the repository.
    """
    folder = files("merge_bot") / "_schemas"
    if not folder.is_dir():
        folder = Path(__file__).parent.parent / "schemas"
    found = {one.name: one.read_bytes() for one in folder.iterdir() if one.name.endswith(".schema.json")}
    return dict(sorted(found.items()))


def settings_template() -> bytes:
    """A settings file in which every setting is explained and none is set."""
    return (files("merge_bot") / "templates" / "settings.yml").read_bytes()


def workflow_template() -> bytes:
    """A workflow that merges when deltas are pushed."""
    return (files("merge_bot") / "templates" / "workflow.yml").read_bytes()
