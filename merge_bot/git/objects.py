"""Git's objects, read through one long-lived `git cat-file`: no process a blob, and no work tree.

With `--buffer`, git only takes questions until it reads `flush`, and only answers afterwards; so however many and
however large, neither side ever waits on a full pipe. Needs git 2.36 (`--batch-command`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import IO, NamedTuple, TypeVar

from merge_bot.errors import GitFailed, RepositoryError
from merge_bot.git import letters
from merge_bot.git.packs import Packs
from merge_bot.git.process import Git, Running, raw
from merge_bot.tree import Entry, parse

T = TypeVar("T")
_PIECE = 1 << 20
_ENTRIES = 100_000  # of trees, that are kept at most
_MUCH = 1 << 24
_SOME = 16  # objects for which it is worth opening packs
_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")


class Info(NamedTuple):
    """What an object is: id in hex, kind (`blob`, `tree`, `commit`, `tag`), size in bytes."""

    id: str
    kind: str
    size: int


class _Ended(Exception):
    """The process is gone, or no longer in step."""


class Objects:
    """The objects of one repository.

    `bring` is set where contents were left elsewhere (`git.partial`): it gets the ids of what is missing, all that one
    question needs, and fetches them in one request.
    """

    def __init__(self, git: Git, folder: str, object_format: str) -> None:
        self.bring: Callable[[Sequence[str]], None] | None = None
        self._git = git
        self._folder, self._packs = folder, Packs(folder, object_format)
        self.object_format = object_format
        self._process: Running | None = None
        self._unpacked = 0
        self._trees: dict[str, dict[str, Entry]] = {}
        self._kept = 0

    def again(self) -> Objects:
        """The same objects, for another process, which has the trees that are kept here as well."""
        other = Objects(self._git, self._folder, self.object_format)
        other.bring, other._trees, other._kept = self.bring, self._trees, self._kept
        return other

    def end(self) -> None:
        """Let go of the process and of the packs."""
        self.close()
        self._packs.close()

    def close(self) -> None:
        """End the process; the next question begins another one."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        self._unpacked = 0

    def info(self, names: Sequence[str]) -> list[Info | None]:
        """What each name (an id, a ref, anything that git resolves) stands for; None for nothing."""
        return self._ask("info", names, lambda stream, found: found)

    def resolve(self, name: str) -> str | None:
        """The id of the commit that a name stands for; None if there is none."""
        (found,) = self.info([f"{name}^{{commit}}"] if name else [""])
        return found.id if found else None

    def sizes(self, ids: Iterable[str]) -> dict[str, int | None]:
        """Sizes in bytes; None for what the repository does not have. Contents that were left elsewhere are brought."""
        sizes = self._here(dict.fromkeys(ids), self._packs.size)
        wanted = [one for one, size in sizes.items() if size is None]
        found = self._whole("info", wanted, lambda stream, found: found)
        return sizes | {one: info.size if info else None for one, info in zip(wanted, found, strict=True)}

    def read(self, name: str, kind: str = "blob") -> bytes:
        """The content of one object. Raises RepositoryError if it is missing or of another kind."""
        return self.read_many([name], kind)[name]

    def read_many(self, names: Iterable[str], kind: str = "blob") -> dict[str, bytes]:
        """The contents of many objects, all in one round. Raises RepositoryError as `read` does."""
        here = self._here(dict.fromkeys(names), lambda name: self._packs.read(name, kind))
        wanted = [name for name, content in here.items() if content is None]

        def take(stream: IO[bytes], found: Info) -> tuple[Info, bytes]:
            return found, _exactly(stream, found.size)

        contents = {name: content for name, content in here.items() if content is not None}
        # A commit that is missing is no content that was left elsewhere: the history is cut off there.
        answers = self._ask("contents", wanted, take) if kind == "commit" else self._whole("contents", wanted, take)
        for name, answer in zip(wanted, answers, strict=True):
            contents[name] = data = _expected(name, answer, kind)[1]
            self._unpacked += len(data)
        if self._unpacked > _MUCH:
            self.close()  # it keeps what it unpacked, up to 100 MB
        return contents

    def lie_ready(self, names: Iterable[str]) -> bool:
        """Whether none of these objects needs git to be read."""
        return all(self._here(dict.fromkeys(names), self._packs.has).values())

    def _here(self, names: Iterable[str], found: Callable[[str], T | None]) -> dict[str, T | None]:
        """What is found of each without asking git, which answers few questions sooner than packs are opened."""
        wanted = list(names)
        if len(wanted) < _SOME:
            return dict.fromkeys(wanted)
        return {name: found(name) if _ID.match(name) else None for name in wanted}

    def digests(self, names: Iterable[str]) -> dict[str, str]:
        """The SHA-256, in hex, of each blob; none is held. Raises RepositoryError as `read` does."""
        wanted = list(dict.fromkeys(names))

        def take(stream: IO[bytes], found: Info) -> tuple[Info, str]:
            whole = sha256()
            for start in range(0, found.size, _PIECE):
                whole.update(_exactly(stream, min(_PIECE, found.size - start)))
            return found, whole.hexdigest()

        answers = zip(wanted, self._whole("contents", wanted, take), strict=True)
        return {name: _expected(name, answer, "blob")[1] for name, answer in answers}

    def tree(self, name: str) -> dict[str, Entry]:
        """The entries of a tree. Kept for a while: trees never change, and walks enter the same ones again."""
        return self.trees([name])[name]

    def trees(self, names: Iterable[str]) -> dict[str, dict[str, Entry]]:
        """The entries of many trees, what is not kept yet read in one round."""
        found = {name: self._trees.get(name) for name in names}
        raw_trees = self.read_many((name for name, one in found.items() if one is None), "tree")
        for name, data in raw_trees.items():
            found[name] = entries = parse(data, self.object_format)
            self._kept += len(entries)
            if self._kept > _ENTRIES:
                self._trees.clear()
                self._kept = len(entries)
            self._trees[name] = entries
        return {name: one for name, one in found.items() if one is not None}

    def commit_tree(self, commit: str) -> str:
        """The tree id of a commit."""
        return self.read(commit, "commit").split(b"\n", 1)[0].removeprefix(b"tree ").decode()

    def entry_at(self, commit: str, path: str) -> Entry | None:
        """What lies at a path of a commit ("" is its root tree); None if nothing does."""
        entry = Entry("040000", self.commit_tree(commit))
        for part in path.split("/") if path else ():
            step = self.tree(entry.id).get(part) if entry.is_tree else None
            if step is None:
                return None
            entry = step
        return entry

    def _whole(self, verb: str, names: Sequence[str], take: Callable[[IO[bytes], Info], T]) -> list[T | None]:
        """As `_ask`, after whatever is missing was brought."""
        answers = self._ask(verb, names, take)
        if self.bring is None:
            return answers
        missing = [at for at, answer in enumerate(answers) if answer is None and _ID.match(names[at])]
        if missing:
            ids = [names[at] for at in missing]
            self.bring(ids)
            for at, answer in zip(missing, self._ask(verb, ids, take), strict=True):
                answers[at] = answer
        return answers

    def _ask(self, verb: str, names: Sequence[str], take: Callable[[IO[bytes], Info], T]) -> list[T | None]:
        """Put all questions, then take all answers. A process that died meanwhile is replaced, once."""
        asked = [name for name in names if _can_be_asked(name)]
        if not asked:
            return [None] * len(names)
        try:
            answers = self._talk(verb, asked, take)
        except (_Ended, BrokenPipeError):
            self.close()  # its pipes may be closed a moment before it has ended
            try:
                answers = self._talk(verb, asked, take)
            except (_Ended, BrokenPipeError) as problem:
                raise self._failure() from problem
        taken = iter(answers)
        return [next(taken) if _can_be_asked(name) else None for name in names]

    def _talk(self, verb: str, names: Sequence[str], take: Callable[[IO[bytes], Info], T]) -> list[T | None]:
        if self._process is None or self._process.ended:
            self.close()
            self._process = self._git.start("cat-file", "--batch-command", "--buffer")
        process = self._process
        try:
            process.stdin.write(b"".join(b"%s %s\n" % (verb.encode(), raw(name)) for name in names) + b"flush\n")
            process.stdin.flush()
            return [_answer(process.stdout, verb, take) for _ in names]
        except (_Ended, BrokenPipeError):
            raise
        except BaseException:
            self.close()  # out of step: the next question begins with a new process
            raise

    def _failure(self) -> GitFailed:
        assert self._process is not None
        failure = self._process.failure()
        self.close()
        return failure


def answers(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """The blobs in a stream of answers of `cat-file --batch`, each with its id, as far as it goes."""
    with suppress(_Ended):
        while True:
            answer = _answer(stream, "contents", lambda _, info: (info.id, _exactly(stream, info.size)))
            if answer is not None:
                yield answer


def _can_be_asked(name: str) -> bool:
    """Names come from files that anyone may have written: one with a line end would be two questions."""
    if not name or "\n" in name or "\0" in name:
        return False
    try:
        raw(name)
    except UnicodeEncodeError:
        return False
    return True


def _answer(stream: IO[bytes], verb: str, take: Callable[[IO[bytes], Info], T]) -> T | None:
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise _Ended
    if line.endswith((b" missing\n", b" ambiguous\n")):
        return None
    name, kind, size = line.decode().split()
    taken = take(stream, Info(name, kind, int(size)))
    if verb == "contents":
        _exactly(stream, 1)  # the line end after the content
    return taken


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise _Ended
    return data


def _expected(name: str, answer: tuple[Info, T] | None, kind: str) -> tuple[Info, T]:
    if answer is None:
        raise RepositoryError(letters.no_object(name))
    if answer[0].kind != kind:
        raise RepositoryError(letters.other_kind(name, answer[0].kind, kind))
    return answer
