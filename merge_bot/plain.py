"""Pure. Python values as JSON carries them: what would change on the way there and back is a problem, not a guess.

NaN and infinity pass: `strict_json` names those.
"""

from __future__ import annotations

from typing import Any

from merge_bot import worker_letters
from merge_bot.findings import Problem, Reason
from merge_bot.json_scanner import GREATEST, LEAST
from merge_bot.strict_json import MAX_DEPTH, pointer


def plain(value: Any, file: str, problems: list[Problem]) -> Any:
    """A copy of `value` out of dicts, lists, text, numbers, booleans and None, which nobody else holds.

    Tuples become lists, and subclasses (an enumeration of text, say) what they are underneath. What JSON has no word
    for is appended to `problems` and stands as None in the copy.
    """
    return _Copier(file, problems).copy(value, ())


class _Copier:
    def __init__(self, file: str, problems: list[Problem]) -> None:
        self._file = file
        self._problems = problems

    def copy(self, value: Any, at: tuple[str | int, ...]) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            if surrogate := _lone_surrogate(value):
                return self._problem(at, Reason.LONE_SURROGATE, worker_letters.lone_surrogate(surrogate))
            return str.__str__(value)
        if isinstance(value, int):
            # Checked here, because Python refuses to spell an integer of more than 4,300 digits.
            if not LEAST <= value <= GREATEST:
                return self._problem(at, Reason.NUMBER_OUT_OF_RANGE, worker_letters.too_large_integer())
            return int.__int__(value)
        if isinstance(value, float):
            return float.__float__(value)
        if not isinstance(value, dict | list | tuple):
            return self._problem(at, Reason.NOT_JSON, worker_letters.no_word_for(value))
        # A value that holds itself is endlessly deep, so this ends as well.
        if len(at) >= MAX_DEPTH:
            return self._problem(at, Reason.TOO_DEEP, worker_letters.too_deep(MAX_DEPTH))
        if isinstance(value, dict):
            return self._object(value, at)
        return [self.copy(one, (*at, position)) for position, one in enumerate(value)]

    def _object(self, value: dict[Any, Any], at: tuple[str | int, ...]) -> dict[str, Any]:
        copied = {}
        for key, one in value.items():
            if not isinstance(key, str):
                self._problem(at, Reason.NOT_JSON, worker_letters.key_is_no_text(key))
            elif surrogate := _lone_surrogate(key):
                self._problem(at, Reason.LONE_SURROGATE, worker_letters.lone_surrogate(surrogate, "A key"))
            else:
                name = str.__str__(key)
                copied[name] = self.copy(one, (*at, name))
        return copied

    def _problem(self, at: tuple[str | int, ...], reason: Reason, letter: tuple[str, str]) -> None:
        self._problems.append(Problem(self._file, 0, pointer(*at), reason, *letter))


def _lone_surrogate(text: str) -> str | None:
    """The first half of a surrogate pair in `text`, which UTF-8 cannot carry; None if there is none."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return text[error.start]
    return None
