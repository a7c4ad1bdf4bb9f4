"""What the service answers, and the kinds of values that it takes."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, Union

#: Business values are 64-bit integers or strings.
LongOrString = Union[int, str]
#: A datetime with a time zone, or RFC 3339 with an offset.
Time = Union[datetime.datetime, str]
#: One record, or the records of a multi-valued extension.
Extension = Union[Mapping[str, Any], Sequence[Mapping[str, Any]], None]
#: Names of extensions to read; "*" for all, () for none.
Names = Union[str, Sequence[str]]
Types = Union[LongOrString, Sequence[LongOrString]]


@dataclasses.dataclass(frozen=True)
class Moment:
    """The fields that start and end have in common."""

    timestamp: datetime.datetime
    session_id: str | None = None
    interaction_id: str | None = None
    application_type: LongOrString | None = None
    application_id: int | None = None
    resource_type: LongOrString | None = None
    resource_id: int | None = None
    media_type: LongOrString | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Element:
    """What services, states and tasks have in common."""

    started: Moment
    completed: Moment | None = None
    #: In milliseconds.
    duration: int | None = None
    #: In seconds.
    est_duration: int | None = None
    disposition: LongOrString | None = None
    disposition_desc: str | None = None
    auto_completed: bool = False
    #: Records by the name of their extension.
    extensions: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task(Element):
    task_id: int
    #: None where the task is nested in its service or state.
    service_id: int | None = None
    state_id: int | None = None
    task_type: LongOrString | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class State(Element):
    state_id: int
    #: None where the state is nested in its service.
    service_id: int | None = None
    state_type: LongOrString | None = None
    previous_state_id: int | None = None
    active_tasks: list[Task] | None = None
    completed_tasks: list[Task] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Service(Element):
    service_id: int
    customer_id: str | None = None
    contact_key: str | None = None
    service_type: LongOrString | None = None
    active_states: list[State] | None = None
    completed_states: list[State] | None = None
    active_tasks: list[Task] | None = None
    completed_tasks: list[Task] | None = None


T = TypeVar("T")
E = TypeVar("E", bound=Element)


class Page(list[T]):
    """A list, in ascending order. `before` is the cursor to the older elements, or None if there are none."""

    before: str | None = None


def read_element(kind: type[E], body: dict[str, Any]) -> E:
    """Fields that the class does not know are extensions."""
    fields = {field.name for field in dataclasses.fields(kind)} - {"extensions"}
    known: dict[str, Any] = {name: value for name, value in body.items() if name in fields}
    for name in ("started", "completed"):
        if name in known:
            known[name] = _read_moment(known[name])
    for name, nested in (("states", State), ("tasks", Task)):
        for key in (f"active_{name}", f"completed_{name}"):
            if key in known:
                known[key] = [read_element(nested, one) for one in known[key]]
    return kind(**known, extensions={name: value for name, value in body.items() if name not in fields})


def _read_moment(body: dict[str, Any]) -> Moment:
    names = {field.name for field in dataclasses.fields(Moment)}
    known = {name: value for name, value in body.items() if name in names}
    # Python 3.10 does not read the Z.
    known["timestamp"] = datetime.datetime.fromisoformat(known["timestamp"].replace("Z", "+00:00"))
    return Moment(**known)
