"""Pure. What a settings file may say, and every mistake in it, found at once: YAML, judged by pydantic.

YAML is read by its safe loader, node by node: duplicate keys and lines are known, nothing but plain data is built.
`settings` comes here only for a file that says something, because most of a small merge would be loading pydantic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic refuses that of `typing` before Python 3.12

from merge_bot import control_letters, rule_messages, safe_path
from merge_bot.collection import Policy
from merge_bot.delta import STREAM_ID
from merge_bot.errors import SettingsError
from merge_bot.findings import Problem, Reason
from merge_bot.guess import nearest
from merge_bot.policy import read_policies
from merge_bot.settings import Alarms, Author, DeltaSettings, Lease, PolicyStep, Settings

MAX_BYTES = 64 * 1024
_ENVELOPE = ("frame", "stream_id", "utc", "_meta", "_control")
Place = tuple[str | int, ...]


def _plain_path(path: str) -> str:
    if why := safe_path.fault(path):
        raise ValueError(rule_messages.setting_path(path, why))
    return path


def _no_envelope_key(key: str) -> str:
    if key in _ENVELOPE:
        raise ValueError(rule_messages.setting_envelope_key(key))
    return key


def _stream_id(text: str) -> str:
    if not STREAM_ID.match(text):
        raise ValueError(control_letters.setting_stream_id(text))
    return text


def _one_line(text: str) -> str:
    if not text.isprintable() or any(one in text for one in "<>"):
        raise ValueError(rule_messages.setting_author(text))
    return text


def _address(text: str) -> str:
    if not re.fullmatch(r"[!-;=?A-~]+@[A-Za-z0-9.-]+", text):
        raise ValueError(rule_messages.setting_email(text))
    return text


def _policies(value: Any) -> dict[str, Policy]:
    policies, letter = read_policies(value)
    if letter:
        raise ValueError(" ".join(one for one in letter if one))
    return policies


def _delta(said: dict[str, Any]) -> DeltaSettings:
    delta = DeltaSettings(**said)
    if both := sorted({*delta.aliases} & {*delta.ignore}):
        raise ValueError(rule_messages.setting_both(both))
    return delta


def _whole(said: dict[str, Any]) -> Settings:
    settings = Settings(**said)
    if safe_path.inside(settings.schemas, settings.state) or safe_path.inside(settings.state, settings.schemas):
        raise ValueError(rule_messages.setting_folders(settings.schemas, settings.state))
    if settings.workers and settings.enrolment == "open":
        raise ValueError(control_letters.setting_workers_of_open())
    return settings


RepositoryPath = Annotated[str, AfterValidator(_plain_path)]
StreamId = Annotated[str, AfterValidator(_stream_id)]
OtherKey = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_no_envelope_key)]
_part = with_config(ConfigDict(extra="forbid", strict=True, alias_generator=lambda name: name.replace("_", "-")))

# What a file may say, part by part. What it does not say is the default, and those stand in `settings`.


@_part
class _Delta(TypedDict, total=False):
    aliases: dict[OtherKey, Literal["frame", "stream_id", "utc", "_meta"]]
    ignore: Annotated[tuple[OtherKey, ...], Field(strict=False)]


@_part
class _Lease(TypedDict, total=False):
    silent_frames: Annotated[int, Field(ge=1, le=1_000_000_000)]
    silent_seconds: Annotated[int, Field(ge=1, le=31_536_000)]


@_part
class _PolicyStep(TypedDict, total=False):
    command: Annotated[str, Field(max_length=4_000)]
    seconds: Annotated[int, Field(ge=1, le=3_600)]
    stream: StreamId


@_part
class _Alarms(TypedDict, total=False):
    pending_seconds: Annotated[int, Field(ge=0, le=31_536_000)]
    silent_seconds: Annotated[int, Field(ge=0, le=31_536_000)]
    fallbacks: Annotated[int, Field(ge=0, le=1000)]
    parked_seconds: Annotated[int, Field(ge=0, le=31_536_000)]
    odd_files: bool
    exit_code: Annotated[int, Field(ge=0, le=125)]


@_part
class _Author(TypedDict, total=False):
    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_one_line)]
    email: Annotated[str, Field(max_length=200), AfterValidator(_address)]


@_part
class _Settings(TypedDict, total=False):
    state: RepositoryPath
    schemas: RepositoryPath
    grace_seconds: Annotated[int, Field(ge=0, le=86_400)]
    clock_tolerance_seconds: Annotated[int, Field(ge=0, le=604_800)]
    max_delta_bytes: Annotated[int, Field(ge=1024, le=100_000_000)]
    max_delta_operations: Annotated[int, Field(ge=1, le=100_000_000)]
    max_validation_seconds: Annotated[int, Field(ge=1, le=86_400)]
    max_frame_deltas: Annotated[int, Field(ge=1, le=10_000_000)]
    keep_frames: Annotated[int, Field(ge=0, le=1_000_000_000)]
    archive: Literal["frame", "branches"]
    enrolment: Literal["open", "listed"]
    workers: dict[StreamId, Annotated[tuple[str, ...], Field(strict=False)]]
    operators: Annotated[tuple[StreamId, ...], Field(strict=False, max_length=1000)]
    lease: Annotated[_Lease, AfterValidator(lambda said: Lease(**said))]
    conflicts: dict[str, Annotated[Any, AfterValidator(_policies)]]
    policy_step: Annotated[
        _PolicyStep,
        BeforeValidator(lambda one: {"command": one} if isinstance(one, str) else one),
        AfterValidator(lambda said: PolicyStep(**said)),
    ]
    breaker: Annotated[int, Field(ge=0, le=1_000_000)]
    foreign_edits: Literal["auto", "refuse", "adopt", "revert"]
    alarms: Annotated[_Alarms, AfterValidator(lambda said: Alarms(**said))]
    delta: Annotated[_Delta, AfterValidator(_delta)]
    author: Annotated[_Author, AfterValidator(lambda said: Author(**said))]


PARTS: Mapping[Place, Any] = {
    (): _Settings,
    ("lease",): _Lease,
    ("policy-step",): _PolicyStep,
    ("alarms",): _Alarms,
    ("delta",): _Delta,
    ("author",): _Author,
}


def judged(data: bytes, file: str) -> Settings:
    """The settings in `data`. Raises SettingsError, which names every mistake."""
    reader = _Reader(file)
    value = reader.read(data)
    settings = Settings()
    if not reader.problems or value:
        try:
            rules = TypeAdapter[Any](Annotated[_Settings, AfterValidator(_whole)])
            settings = rules.validate_python(value)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                reader.add(*_mistake(one))
    if reader.problems:
        problems = sorted(reader.problems)
        raise SettingsError(rule_messages.settings_refused(file, problems), problems)
    return settings


class _Reader:
    """YAML to plain data, with the line of every key and value."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._lines: dict[Place, int] = {}
        self._seen: set[int] = set()

    def add(self, place: Place, message: str) -> None:
        line = next((self._lines[place[:size]] for size in range(len(place), -1, -1) if place[:size] in self._lines), 0)
        self._problem(line, message)

    def _problem(self, line: int, message: str) -> None:
        self.problems.append(Problem(self._file, line, "", Reason.BAD_SETTINGS, message))

    def read(self, data: bytes) -> Any:
        """The document as dicts, lists and scalars; `{}` if it is empty or cannot be read, with the problem noted."""
        if len(data) > MAX_BYTES:
            self._problem(0, rule_messages.settings_too_large(len(data), MAX_BYTES))
            return {}
        try:
            loader = yaml.SafeLoader(data.decode("utf-8"))
            node = loader.get_single_node()
            value = {} if node is None else self._value(loader, node, ())
        except UnicodeDecodeError as error:
            self._problem(data.count(b"\n", 0, error.start) + 1, rule_messages.SETTINGS_NOT_UTF8)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            why = ", ".join(one for one in (error.context, error.problem) if one)
            self._problem(mark.line + 1 if mark else 0, rule_messages.not_yaml(why))
        except yaml.YAMLError as error:
            self._problem(0, rule_messages.not_yaml(str(error).splitlines()[0]))
        except RecursionError:
            self._problem(0, rule_messages.not_yaml("nested too deeply"))
        else:
            return {} if value is None else value
        return {}

    def _value(self, loader: yaml.SafeLoader, node: yaml.Node, place: Place) -> Any:
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.CollectionNode):
            # Aliases of aliases make a small file expand without end.
            if id(node) in self._seen:
                raise yaml.MarkedYAMLError(problem="aliases are not read", problem_mark=node.start_mark)
            self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return dict(self._pairs(loader, node, place))
        if isinstance(node, yaml.SequenceNode):
            return [self._value(loader, one, (*place, position)) for position, one in enumerate(node.value)]
        try:
            return loader.construct_object(node, deep=True)
        except ValueError as error:  # 2026-99-99 looks like a date
            raise yaml.MarkedYAMLError(problem=str(error), problem_mark=node.start_mark) from None

    def _pairs(self, loader: yaml.SafeLoader, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, Any]]:
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            if key in first:
                self._problem(line, rule_messages.setting_twice(key, first[key]))
                continue
            first[key] = self._lines[(*place, key)] = line
            value = self._value(loader, value_node, (*place, key))
            if value is not None:  # a key with nothing after it, as where all below is commented out
                yield key, value


def _mistake(error: Any) -> tuple[Place, str]:
    """The place and the sentence of one of pydantic's findings."""
    place: Place = tuple(one for one in error["loc"] if one != "[key]")
    if error["type"] == "extra_forbidden":
        known = [name.replace("_", "-") for name in PARTS[place[:-1]].__annotations__]
        return place, rule_messages.unknown_setting(place, nearest(str(place[-1]), known))
    if error["type"] == "value_error":
        return place, str(error["ctx"]["error"])
    return place, rule_messages.bad_setting(place, error["type"], error.get("ctx", {}), error["msg"], error["input"])
