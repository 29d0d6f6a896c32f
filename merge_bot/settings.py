"""Pure. The settings in `.github/dreamcatcher.yml`: every one has a default, and every mistake is found at once.

YAML is read by its safe loader, node by node: duplicate keys and lines are known, nothing but plain data is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from merge_bot import control_letters, rule_messages, safe_path
from merge_bot.collection import Policy
from merge_bot.delta import STREAM_ID
from merge_bot.errors import SettingsError
from merge_bot.findings import Problem, Reason
from merge_bot.guess import nearest
from merge_bot.paths import Paths
from merge_bot.policy import read_policies

SETTINGS_PATH = ".github/dreamcatcher.yml"
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


RepositoryPath = Annotated[str, AfterValidator(_plain_path)]
StreamId = Annotated[str, AfterValidator(_stream_id)]
OtherKey = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_no_envelope_key)]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_by_name=True,
        validate_by_alias=True,
        alias_generator=lambda name: name.replace("_", "-"),
    )


class DeltaSettings(_Part):
    """How deltas that were not written for us are read: other names of envelope keys, and keys to leave aside."""

    aliases: dict[OtherKey, Literal["frame", "stream_id", "utc", "_meta"]] = {}
    ignore: Annotated[tuple[OtherKey, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _no_collision(self) -> DeltaSettings:
        both = sorted(set(self.aliases) & set(self.ignore))
        if both:
            raise ValueError(rule_messages.setting_both(both))
        return self


class Lease(_Part):
    """When a lease counts as silent, so that others may reclaim it: after so many frames, or so many seconds."""

    silent_frames: int = Field(default=20, ge=1, le=1_000_000_000)
    silent_seconds: int = Field(default=3600, ge=1, le=31_536_000)


class PolicyStep(_Part):
    """A command that is asked about open conflicts after each merge; "": none. It decides as worker `stream`."""

    command: str = Field(default="", max_length=4_000)
    seconds: int = Field(default=60, ge=1, le=3_600)
    stream: StreamId = "policy"


class Alarms(_Part):
    """What may be so for how long, in seconds, or how often in a row, until it is said aloud; 0 or false: never.

    With an exit code, `status` and the action end with that where there is an alarm, and nothing worse.
    """

    pending_seconds: int = Field(default=7200, ge=0, le=31_536_000)
    silent_seconds: int = Field(default=604_800, ge=0, le=31_536_000)
    fallbacks: int = Field(default=3, ge=0, le=1000)
    parked_seconds: int = Field(default=604_800, ge=0, le=31_536_000)
    odd_files: bool = True
    exit_code: int = Field(default=0, ge=0, le=125)


class Author(_Part):
    """Who the merge commit names as its author and committer."""

    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_one_line)] = "Dream Catcher"
    email: Annotated[str, Field(max_length=200), AfterValidator(_address)] = "dreamcatcher@noreply.invalid"


def _policies(value: Any) -> dict[str, Policy]:
    policies, letter = read_policies(value)
    if letter:
        raise ValueError(" ".join(one for one in letter if one))
    return policies


class Settings(_Part):
    """What a repository can choose. `Settings()` is all defaults."""

    state: RepositoryPath = "state"
    schemas: RepositoryPath = "schemas"
    grace_seconds: int = Field(default=30, ge=0, le=86_400)
    clock_tolerance_seconds: int = Field(default=300, ge=0, le=604_800)
    max_delta_bytes: int = Field(default=1_048_576, ge=1024, le=100_000_000)
    max_delta_operations: int = Field(default=100_000, ge=1, le=100_000_000)
    max_validation_seconds: int = Field(default=60, ge=1, le=86_400)  # of one delta
    max_frame_deltas: int = Field(default=20_000, ge=1, le=10_000_000)  # more become further frames
    keep_frames: int = Field(default=0, ge=0, le=1_000_000_000)  # frames whose archives stay in the tree; 0: all
    archive: Literal["frame", "branches"] = "frame"  # branches: what came by a delta branch is kept there alone
    enrolment: Literal["open", "listed"] = "open"
    workers: dict[StreamId, Annotated[tuple[str, ...], Field(strict=False)]] = {}
    operators: Annotated[tuple[StreamId, ...], Field(strict=False, max_length=1000)] = ("operator",)
    lease: Lease = Lease()
    conflicts: dict[str, Annotated[Any, AfterValidator(_policies)]] = {}  # policies by field, see `policy`
    policy_step: Annotated[
        PolicyStep, BeforeValidator(lambda one: {"command": one} if isinstance(one, str) else one)
    ] = PolicyStep()
    breaker: int = Field(default=10, ge=0, le=1_000_000)  # bad deltas in a row that disable a worker; 0: never
    foreign_edits: Literal["auto", "refuse", "adopt", "revert"] = "auto"  # auto: adopt by pull request, else refuse
    alarms: Alarms = Alarms()
    delta: DeltaSettings = DeltaSettings()
    author: Author = Author()

    @model_validator(mode="after")
    def _apart(self) -> Settings:
        if safe_path.inside(self.schemas, self.state) or safe_path.inside(self.state, self.schemas):
            raise ValueError(rule_messages.setting_folders(self.schemas, self.state))
        return self

    @model_validator(mode="after")
    def _listed(self) -> Settings:
        if self.workers and self.enrolment == "open":
            raise ValueError(control_letters.setting_workers_of_open())
        return self

    @property
    def inbox(self) -> str:
        """The folder that deltas lie in until they are merged."""
        return Paths(self.state).inbox

    @classmethod
    def load(cls, data: bytes | None, file: str = SETTINGS_PATH) -> Settings:
        """The settings in `data`, all defaults if there is no file. Raises SettingsError, which names every mistake."""
        if data is None:
            return cls()
        reader = _Reader(file)
        value = reader.read(data)
        settings = cls()
        if not reader.problems or value:
            try:
                settings = cls.model_validate(value, by_alias=True, by_name=False)
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
        return place, rule_messages.unknown_setting(place, nearest(str(place[-1]), _known(place[:-1])))
    if error["type"] == "value_error":
        return place, str(error["ctx"]["error"])
    return place, rule_messages.bad_setting(place, error["type"], error.get("ctx", {}), error["msg"], error["input"])


def _known(place: Place) -> list[str]:
    parts: dict[Place, type[BaseModel]] = {
        (): Settings,
        ("lease",): Lease,
        ("policy-step",): PolicyStep,
        ("alarms",): Alarms,
        ("delta",): DeltaSettings,
        ("author",): Author,
    }
    return [str(one.alias) for one in parts[place].model_fields.values()]
