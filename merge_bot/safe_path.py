"""Pure. Which paths in a user's repository settings and schemas may name."""

from __future__ import annotations

MAX_PATH = 200


def fault(path: str) -> str | None:
    """Why `path` is not a plain path inside the repository; None if it is one.

    Printable ASCII, parts joined by single slashes, no part that git, Windows or macOS would read as another one.
    """
    if not path or len(path) > MAX_PATH:
        return f"it must have 1 to {MAX_PATH} characters"
    if not (path.isascii() and path.isprintable()) or any(one in path for one in '\\:*?"<>|'):
        return 'none of \\ : * ? " < > | and nothing beyond plain ASCII may stand in it'
    parts = path.split("/")
    if "" in parts:
        return "it must be relative, without a slash at an end or two in a row"
    for part in parts:
        if part.strip(". ") == "" or part != part.strip(" ") or part.endswith("."):
            return "no part of it may be . or .., end with a dot, or have a blank at an end"
        if part.lower() in (".git", "git~1"):
            return "no part of it may be .git"
    return None


def inside(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies in it, also on file systems that fold case."""
    return f"{path}/".lower().startswith(f"{folder}/".lower())
