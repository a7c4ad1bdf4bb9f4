"""The operations of the API: each builds its `Call`. Both clients bind all of them as methods."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from . import _json
from ._call import Call, new_key
from .types import (
    E,
    Extension,
    LongOrString,
    Names,
    Page,
    Service,
    State,
    Task,
    Time,
    Types,
    read_element,
)

Elements = Literal["services", "states", "tasks"]

# Lifecycle


def start_service(
    *, customer_id: str | None = None, contact_key: str | None = None, service_type: LongOrString | None = None,
    est_duration: int | None = None, ttl: int | None = None, expiration_time: Time | None = None,
    auto_complete_after: int | None = None, timestamp: Time | None = None, session_id: str | None = None,
    interaction_id: str | None = None, application_type: LongOrString | None = None, application_id: int | None = None,
    resource_type: LongOrString | None = None, resource_id: int | None = None, media_type: LongOrString | None = None,
    idempotency_key: str | None = None, **extensions: Extension,
) -> Call[int]:
    """Starts a service and returns its identifier. `customer_id`, `contact_key` or both are required."""
    return _start("/services/start", "service_id", locals())


def associate_service(
    customer_id: str, service_id: int, /, *, service_type: LongOrString | None = None, est_duration: int | None = None,
    ttl: int | None = None, expiration_time: Time | None = None, auto_complete_after: int | None = None,
    timestamp: Time | None = None, session_id: str | None = None, interaction_id: str | None = None,
    application_type: LongOrString | None = None, application_id: int | None = None,
    resource_type: LongOrString | None = None, resource_id: int | None = None, media_type: LongOrString | None = None,
    **extensions: Extension,
) -> Call[None]:
    """Gives the service to another customer."""
    fields = locals()
    del fields["customer_id"]
    return _post(_path("customers", customer_id, "services", service_id), fields)


def complete_service(
    service_id: int, /, *, disposition: LongOrString | None = None, disposition_desc: str | None = None,
    ttl: int | None = None, expiration_time: Time | None = None, timestamp: Time | None = None,
    session_id: str | None = None, interaction_id: str | None = None, application_type: LongOrString | None = None,
    application_id: int | None = None, resource_type: LongOrString | None = None, resource_id: int | None = None,
    media_type: LongOrString | None = None, **extensions: Extension,
) -> Call[None]:
    """Ends the service. Its states and tasks stay as they are."""
    return _post(_path("services", service_id, "end"), locals())


def start_state(
    service_id: int, /, *, state_type: LongOrString | None = None, est_duration: int | None = None,
    previous_state_id: int | None = None, timestamp: Time | None = None, session_id: str | None = None,
    interaction_id: str | None = None, application_type: LongOrString | None = None, application_id: int | None = None,
    resource_type: LongOrString | None = None, resource_id: int | None = None, media_type: LongOrString | None = None,
    idempotency_key: str | None = None, **extensions: Extension,
) -> Call[int]:
    """Starts a state and returns its identifier."""
    return _start(_path("services", service_id, "states", "start"), "state_id", locals())


def complete_state(
    service_id: int, state_id: int, /, *, disposition: LongOrString | None = None, disposition_desc: str | None = None,
    timestamp: Time | None = None, session_id: str | None = None, interaction_id: str | None = None,
    application_type: LongOrString | None = None, application_id: int | None = None,
    resource_type: LongOrString | None = None, resource_id: int | None = None, media_type: LongOrString | None = None,
    **extensions: Extension,
) -> Call[None]:
    """Ends the state."""
    fields = locals()
    del fields["state_id"]
    return _post(_path("services", service_id, "states", state_id, "end"), fields)


def transition_state(
    service_id: int, from_state_id: int, /, *, disposition: LongOrString | None = None,
    disposition_desc: str | None = None, state_type: LongOrString | None = None, est_duration: int | None = None,
    timestamp: Time | None = None, session_id: str | None = None, interaction_id: str | None = None,
    application_type: LongOrString | None = None, application_id: int | None = None,
    resource_type: LongOrString | None = None, resource_id: int | None = None, media_type: LongOrString | None = None,
    idempotency_key: str | None = None, **extensions: Extension,
) -> Call[int]:
    """Ends one state with its disposition, starts the next with its type and extensions, and returns its identifier."""
    fields = locals()
    ends = {"state_id": _identifier(fields.pop("from_state_id"))}
    ends |= {name: fields.pop(name) for name in ("disposition", "disposition_desc")}
    starts = {name: fields.pop(name) for name in ("state_type", "est_duration")}
    fields |= {"from": _given(ends), "to": _given(starts)}
    return _start(_path("services", service_id, "states", "transition"), "state_id", fields)


def start_task(
    service_id: int, /, *, task_type: LongOrString | None = None, state_id: int | None = None,
    est_duration: int | None = None, timestamp: Time | None = None, session_id: str | None = None,
    interaction_id: str | None = None, application_type: LongOrString | None = None, application_id: int | None = None,
    resource_type: LongOrString | None = None, resource_id: int | None = None, media_type: LongOrString | None = None,
    idempotency_key: str | None = None, **extensions: Extension,
) -> Call[int]:
    """Starts a task of the service, or of one of its states, and returns its identifier."""
    return _start(_path("services", service_id, "tasks", "start"), "task_id", locals())


def complete_task(
    service_id: int, task_id: int, /, *, state_id: int | None = None, disposition: LongOrString | None = None,
    disposition_desc: str | None = None, timestamp: Time | None = None, session_id: str | None = None,
    interaction_id: str | None = None, application_type: LongOrString | None = None, application_id: int | None = None,
    resource_type: LongOrString | None = None, resource_id: int | None = None, media_type: LongOrString | None = None,
    **extensions: Extension,
) -> Call[None]:
    """Ends the task. The same end may be reported any number of times."""
    fields = locals()
    del fields["task_id"]
    return _post(_path("services", service_id, "tasks", task_id, "end"), fields)


def delete_service(service_id: int, /) -> Call[None]:
    """Removes the service with everything in it."""
    return Call("DELETE", _path("services", service_id), _nothing, gone="unknown_service")


def update_expiration(service_id: int, /, *, ttl: int | None = None, expiration_time: Time | None = None) -> Call[None]:
    """Sets when the service expires: `ttl` seconds from now, or at `expiration_time`."""
    body = _given({"ttl": ttl, "expiration_time": expiration_time})
    return Call("PUT", _path("services", service_id), _nothing, body=body)


# Queries


def get_service(
    service_id: int, /, *, active_states: bool = False, completed_states: bool = False, active_tasks: bool = False,
    completed_tasks: bool = False, extensions: Names = "*",
) -> Call[Service]:
    return Call("GET", _path("services", service_id), _one(Service), _query(locals()))


def list_services(
    customer_id: str, /, *, service_types: Types | None = None, started_from: Time | None = None,
    started_to: Time | None = None, completed_from: Time | None = None, completed_to: Time | None = None,
    limit: int | None = None, before: str | None = None, active_states: bool = False, completed_states: bool = False,
    active_tasks: bool = False, completed_tasks: bool = False, extensions: Names = "*",
) -> Call[Page[Service]]:
    return Call("GET", _path("customers", customer_id, "services"), _page(Service), _query(locals()))


def list_active_services(
    customer_id: str, /, *, service_types: Types | None = None, started_from: Time | None = None,
    started_to: Time | None = None, completed_from: Time | None = None, completed_to: Time | None = None,
    limit: int | None = None, before: str | None = None, active_states: bool = False, completed_states: bool = False,
    active_tasks: bool = False, completed_tasks: bool = False, extensions: Names = "*",
) -> Call[Page[Service]]:
    return Call("GET", _path("customers", customer_id, "services", "active"), _page(Service), _query(locals()))


def list_completed_services(
    customer_id: str, /, *, service_types: Types | None = None, started_from: Time | None = None,
    started_to: Time | None = None, completed_from: Time | None = None, completed_to: Time | None = None,
    limit: int | None = None, before: str | None = None, active_states: bool = False, completed_states: bool = False,
    active_tasks: bool = False, completed_tasks: bool = False, extensions: Names = "*",
) -> Call[Page[Service]]:
    return Call("GET", _path("customers", customer_id, "services", "completed"), _page(Service), _query(locals()))


def list_anonymous_services(
    contact_key: str, /, *, service_types: Types | None = None, started_from: Time | None = None,
    started_to: Time | None = None, completed_from: Time | None = None, completed_to: Time | None = None,
    limit: int | None = None, before: str | None = None, active_states: bool = False, completed_states: bool = False,
    active_tasks: bool = False, completed_tasks: bool = False, extensions: Names = "*",
) -> Call[Page[Service]]:
    return Call("GET", _path("services", "anonymous", contact_key), _page(Service), _query(locals()))


def list_active_anonymous_services(
    contact_key: str, /, *, service_types: Types | None = None, started_from: Time | None = None,
    started_to: Time | None = None, completed_from: Time | None = None, completed_to: Time | None = None,
    limit: int | None = None, before: str | None = None, active_states: bool = False, completed_states: bool = False,
    active_tasks: bool = False, completed_tasks: bool = False, extensions: Names = "*",
) -> Call[Page[Service]]:
    return Call("GET", _path("services", "anonymous", contact_key, "active"), _page(Service), _query(locals()))


def list_completed_anonymous_services(
    contact_key: str, /, *, service_types: Types | None = None, started_from: Time | None = None,
    started_to: Time | None = None, completed_from: Time | None = None, completed_to: Time | None = None,
    limit: int | None = None, before: str | None = None, active_states: bool = False, completed_states: bool = False,
    active_tasks: bool = False, completed_tasks: bool = False, extensions: Names = "*",
) -> Call[Page[Service]]:
    return Call("GET", _path("services", "anonymous", contact_key, "completed"), _page(Service), _query(locals()))


def get_state(
    service_id: int, state_id: int, /, *, active_tasks: bool = False, completed_tasks: bool = False,
    extensions: Names = "*",
) -> Call[State]:
    query = {"active_tasks": active_tasks, "completed_tasks": completed_tasks, "extensions": extensions}
    return Call("GET", _path("services", service_id, "states", state_id), _one(State), _query(query))


def list_states(
    service_id: int, /, *, state_types: Types | None = None, limit: int | None = None, before: str | None = None,
    active_tasks: bool = False, completed_tasks: bool = False, extensions: Names = "*",
) -> Call[Page[State]]:
    return Call("GET", _path("services", service_id, "states"), _page(State), _query(locals()))


def list_active_states(
    service_id: int, /, *, state_types: Types | None = None, limit: int | None = None, before: str | None = None,
    active_tasks: bool = False, completed_tasks: bool = False, extensions: Names = "*",
) -> Call[Page[State]]:
    return Call("GET", _path("services", service_id, "states", "active"), _page(State), _query(locals()))


def list_completed_states(
    service_id: int, /, *, state_types: Types | None = None, limit: int | None = None, before: str | None = None,
    active_tasks: bool = False, completed_tasks: bool = False, extensions: Names = "*",
) -> Call[Page[State]]:
    return Call("GET", _path("services", service_id, "states", "completed"), _page(State), _query(locals()))


def get_task(service_id: int, task_id: int, /, *, extensions: Names = "*") -> Call[Task]:
    return Call("GET", _path("services", service_id, "tasks", task_id), _one(Task), _query({"extensions": extensions}))


def list_tasks(
    service_id: int, /, *, task_types: Types | None = None, state_id: int | Sequence[int] | None = None,
    limit: int | None = None, before: str | None = None, extensions: Names = "*",
) -> Call[Page[Task]]:
    return Call("GET", _path("services", service_id, "tasks"), _page(Task), _query(locals()))


def list_active_tasks(
    service_id: int, /, *, task_types: Types | None = None, state_id: int | Sequence[int] | None = None,
    limit: int | None = None, before: str | None = None, extensions: Names = "*",
) -> Call[Page[Task]]:
    return Call("GET", _path("services", service_id, "tasks", "active"), _page(Task), _query(locals()))


def list_completed_tasks(
    service_id: int, /, *, task_types: Types | None = None, state_id: int | Sequence[int] | None = None,
    limit: int | None = None, before: str | None = None, extensions: Names = "*",
) -> Call[Page[Task]]:
    return Call("GET", _path("services", service_id, "tasks", "completed"), _page(Task), _query(locals()))


# Extensions: update replaces all records, merge adds to the one record of a single-valued extension


def update_service_extension(service_id: int, name: str, records: Extension, /) -> Call[None]:
    return _put(_path("services", service_id, "extensions", name), records)


def merge_service_extension(service_id: int, name: str, record: Extension, /) -> Call[None]:
    return _put(_path("services", service_id, "extensions", name, "merge"), record)


def delete_service_extension(service_id: int, name: str, /) -> Call[None]:
    return _delete_records(_path("services", service_id, "extensions", name))


def update_state_extension(service_id: int, state_id: int, name: str, records: Extension, /) -> Call[None]:
    return _put(_path("services", service_id, "states", state_id, "extensions", name), records)


def merge_state_extension(service_id: int, state_id: int, name: str, record: Extension, /) -> Call[None]:
    return _put(_path("services", service_id, "states", state_id, "extensions", name, "merge"), record)


def delete_state_extension(service_id: int, state_id: int, name: str, /) -> Call[None]:
    return _delete_records(_path("services", service_id, "states", state_id, "extensions", name))


def update_task_extension(service_id: int, task_id: int, name: str, records: Extension, /) -> Call[None]:
    return _put(_path("services", service_id, "tasks", task_id, "extensions", name), records)


def merge_task_extension(service_id: int, task_id: int, name: str, record: Extension, /) -> Call[None]:
    return _put(_path("services", service_id, "tasks", task_id, "extensions", name, "merge"), record)


def delete_task_extension(service_id: int, task_id: int, name: str, /) -> Call[None]:
    return _delete_records(_path("services", service_id, "tasks", task_id, "extensions", name))


# Metadata


def create_extension_schema(
    elements: Elements, name: str, type: Literal["single-valued", "multi-valued"], attributes: Sequence[dict[str, Any]],
    unique: Sequence[str | Sequence[str]] = (),
) -> Call[None]:
    """Creates a schema. `SchemaExists` is raised also if an attempt of this call created it and its answer was lost."""
    body = {"name": name, "type": type, "attributes": attributes} | ({"unique": unique} if unique else {})
    return Call("POST", _path("metadata", elements, "extensions"), _nothing, body=body)


def list_extension_schemas(elements: Elements) -> Call[list[dict[str, Any]]]:
    return Call("GET", _path("metadata", elements, "extensions"), _json_body)


def get_extension_schema(elements: Elements, name: str) -> Call[dict[str, Any]]:
    return Call("GET", _path("metadata", elements, "extensions", name), _json_body)


def delete_extension_schema(elements: Elements, name: str) -> Call[None]:
    """Deletes the schema and all of its records."""
    return _delete_records(_path("metadata", elements, "extensions", name))


def get_metadata() -> Call[dict[str, Any]]:
    return Call("GET", "/metadata", _json_body)


def list_business_attributes(cv_attribute: str | None = None) -> Call[list[dict[str, Any]]]:
    """All business attributes, or the one that is mapped to a field such as "Task.disposition"."""
    return Call("GET", "/metadata/business-attributes", _json_body, _given({"cv-attribute": cv_attribute}))


def get_business_attribute(name: str) -> Call[dict[str, Any]]:
    return Call("GET", _path("metadata", "business-attributes", name), _json_body)


def define_business_attribute(
    name: str, values: Sequence[dict[str, Any]], *, cv_attributes: Sequence[str] = (), default: LongOrString | None = None,
    display_name: str | None = None, description: str | None = None,
) -> Call[dict[str, Any]]:
    """Creates or replaces the business attribute and returns it."""
    body = _given({
        "values": values, "cv_attributes": cv_attributes, "default": default, "display_name": display_name,
        "description": description,
    })
    return Call("PUT", _path("metadata", "business-attributes", name), _json_body, body=body)


def remove_business_attribute(name: str) -> Call[None]:
    path = _path("metadata", "business-attributes", name)
    return Call("DELETE", path, _nothing, gone="unknown_business_attribute")


# Server


def get_server_status() -> Call[dict[str, Any]]:
    return Call("GET", "/server/status", _json_body)


def change_server_mode(mode: Literal["production", "maintenance"]) -> Call[None]:
    return Call("POST", "/server/mode", _nothing, body={"mode": mode})


def live() -> Call[None]:
    """Returns if the process answers. A probe: it is not repeated."""
    return Call("GET", "/health/live", _nothing, retry=False)


def ready() -> Call[None]:
    """Returns if the service can take events. A probe: it is not repeated."""
    return Call("GET", "/health/ready", _nothing, retry=False)


def metrics() -> Call[str]:
    """Measurements in the text format of Prometheus."""
    return Call("GET", "/metrics", lambda response: response.text)


def get_document() -> Call[dict[str, Any]]:
    """The description of the API as OpenAPI 3.1."""
    return Call("GET", "/openapi.json", _json_body)


def _start(path: str, name: str, fields: dict[str, Any]) -> Call[int]:
    key = fields.pop("idempotency_key")
    if key is None:
        key = new_key()
    # On the way to the service, blanks at the ends are lost.
    elif not re.fullmatch("[!-~]([ -~]{0,253}[!-~])?", key):
        raise ValueError("an idempotency key has 1 to 255 printable ASCII characters, no blanks at its ends")
    return Call("POST", path, lambda response: int(_json.read(response.content)[name]), body=_event(fields), idempotency_key=key)


def _post(path: str, fields: dict[str, Any]) -> Call[None]:
    return Call("POST", path, _nothing, body=_event(fields))


def _put(path: str, body: Extension) -> Call[None]:
    return Call("PUT", path, _nothing, body=body)


def _delete_records(path: str) -> Call[None]:
    return Call("DELETE", path, _nothing, gone="unknown_extension")


def _event(fields: dict[str, Any]) -> dict[str, Any]:
    """The body from the arguments of an operation: what was given, with the extensions beside it."""
    fields.pop("service_id", None)
    return _given(fields.pop("extensions") | fields)


#: Parameters whose items may contain commas, and then stand in quotes.
_LISTS = {"extensions", "service_types", "state_types", "task_types", "state_id"}


def _query(fields: dict[str, Any]) -> dict[str, Any]:
    """The query from the arguments of an operation. What is false or absent is left out."""
    query: dict[str, Any] = {}
    for name, value in fields.items():
        if name in ("service_id", "customer_id", "contact_key") or value is None or value is False:
            continue
        values = value if isinstance(value, (list, tuple)) else [value]
        query[name] = [_item(name, one) if name in _LISTS else _parameter(name, one) for one in values]
    return query


def _parameter(name: str, value: object) -> str:
    if isinstance(value, datetime.datetime):
        return _json.time(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, str)):
        return str(value)
    raise TypeError(f"{name} cannot be {value!r}")


def _item(name: str, value: object) -> str:
    """In a list, a text that contains a comma or a quote, or begins or ends with a blank, stands in quotes."""
    text = _parameter(name, value)
    return '"' + text.replace('"', '""') + '"' if re.search(r'[,"]|^\s|\s$|^$', text) else text


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _path(*parts: str | int) -> str:
    """A path whose parts are encoded. A part that would lead to another route is refused."""
    for part in parts:
        if _identifier(part) in ("", ".", ".."):
            raise ValueError(f"{part!r} cannot stand in a path")
    return "".join("/" + quote(str(part), safe="") for part in parts)


def _identifier(value: str | int) -> str | int:
    """Refuses what is not an identifier, for callers without a type checker."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(f"{value!r} is not an identifier")
    return value


def _nothing(_: httpx.Response) -> None:
    return None


def _json_body(response: httpx.Response) -> Any:
    return _json.read(response.content)


def _one(kind: type[E]) -> Callable[[httpx.Response], E]:
    return lambda response: read_element(kind, _json.read(response.content))


def _page(kind: type[E]) -> Callable[[httpx.Response], Page[E]]:
    def read(response: httpx.Response) -> Page[E]:
        page = Page(read_element(kind, body) for body in _json.read(response.content))
        if link := response.links.get("prev"):
            page.before = parse_qs(urlsplit(link["url"]).query)["before"][0]
        return page

    return read
