"""Files that travel with the package: the schemas of the example world, which `init` writes into a repository."""

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
