"""Calls every operation of a real service, whose address is in CONTEXT_SERVICES_URL."""

from __future__ import annotations

import datetime
import os
import time
from typing import Any

import anyio
import pytest

from context_services import AsyncContextServices, ContextServices, errors
from context_services import _operations as operations

URL = os.environ.get("CONTEXT_SERVICES_URL")
NAMES = [name for name, value in vars(operations).items() if callable(value) and value.__module__ == operations.__name__ and name[0] != "_"]


def test_both_clients_have_every_operation() -> None:
    assert len(NAMES) == 49
    for client in (ContextServices, AsyncContextServices):
        assert not [name for name in NAMES if not hasattr(client, name)]


@pytest.mark.skipif(URL is None, reason="CONTEXT_SERVICES_URL is not set")
def test_every_operation() -> None:
    cs = ContextServices(URL or "")
    run = f"py{os.getpid()}x{int(time.time()) % 100000}"
    customer = f"cus/tömer {run}"
    now = datetime.datetime.now(datetime.timezone.utc)

    for elements in operations.Elements.__args__:  # type: ignore[attr-defined]
        attributes = [{"name": "n", "type": "integer"}, {"name": "at", "type": "datetime"}]
        cs.create_extension_schema(elements, f"E{run}", "single-valued", attributes)
        with pytest.raises(errors.SchemaExists):
            cs.create_extension_schema(elements, f"E{run}", "single-valued", attributes)
        assert cs.get_extension_schema(elements, f"E{run}")["type"] == "single-valued"
        assert f"E{run}" in [schema["name"] for schema in cs.list_extension_schemas(elements)]
    records: dict[str, Any] = {f"E{run}": {"n": 2**63 - 1, "at": datetime.datetime(2026, 2, 5, 9, tzinfo=datetime.timezone.utc)}}
    read = {f"E{run}": {"n": 2**63 - 1, "at": "2026-02-05T09:00:00.000Z"}}

    assert len(cs.define_business_attribute(f"A{run}", [{"name": "GOOD"}, {"dbid": 7, "name": "BAD"}])["values"]) == 2
    assert cs.get_business_attribute(f"A{run}")["name"] == f"A{run}"
    assert cs.list_business_attributes()
    cs.list_business_attributes("Task.disposition")
    cs.remove_business_attribute(f"A{run}")
    assert cs.get_metadata()["links"]

    service = cs.start_service(contact_key=run, service_type=12, **records)
    assert len(cs.list_anonymous_services(run)) == len(cs.list_active_anonymous_services(run)) == 1
    assert cs.list_completed_anonymous_services(run) == []
    cs.associate_service(customer, service, est_duration=600)
    cs.update_expiration(service, ttl=86400)
    first = cs.start_state(service, state_type="payment", **records)
    second = cs.transition_state(service, first, disposition="ok", state_type="done")
    task = cs.start_task(service, task_type="survey", state_id=second)
    cs.complete_task(service, task, state_id=second, disposition=10, timestamp=now, **records)
    with pytest.raises(errors.AlreadyCompleted):
        cs.complete_task(service, task, disposition=11)
    cs.complete_state(service, second, disposition_desc="SUCCESS")
    with pytest.raises(errors.InvalidEvent) as refusal:
        cs.complete_service(service, Nothing={"a": 1}, disposition_desc="x" * 65)
    assert sorted(violation.pointer or "" for violation in refusal.value.errors) == ["/Nothing", "/disposition_desc"]

    answer = cs.get_task(service, task)
    assert answer.extensions == read
    assert answer.completed and abs(answer.completed.timestamp - now) < datetime.timedelta(milliseconds=1)
    assert cs.get_task(service, task, extensions=()).extensions == {}
    assert len(cs.get_state(service, second, completed_tasks=True).completed_tasks or []) == 1
    whole = cs.get_service(service, completed_states=True, completed_tasks=True, extensions="Task.*")
    assert [state.state_id for state in whole.completed_states or []] == [first, second]
    assert [nested.extensions for nested in whole.completed_tasks or []] == [read]
    assert len(cs.list_tasks(service, state_id=[second], task_types=["survey"])) == 1
    assert cs.list_active_tasks(service) == []
    assert len(cs.list_completed_tasks(service)) == 1
    page = cs.list_states(service, limit=1)
    assert [state.state_id for state in page] == [second]
    assert [state.state_id for state in cs.list_states(service, limit=1, before=page.before)] == [first]
    assert cs.list_active_states(service) == []
    assert len(cs.list_completed_states(service)) == 2

    for kind, ids in {"service": (service,), "state": (service, second), "task": (service, task)}.items():
        getattr(cs, f"update_{kind}_extension")(*ids, f"E{run}", {"n": 1})
        getattr(cs, f"merge_{kind}_extension")(*ids, f"E{run}", {"at": now})
        getattr(cs, f"delete_{kind}_extension")(*ids, f"E{run}")
        with pytest.raises(errors.UnknownExtension):
            getattr(cs, f"delete_{kind}_extension")(*ids, f"E{run}")

    cs.complete_service(service, disposition="SUCCESS")
    minute = datetime.timedelta(minutes=1)
    assert len(cs.list_services(customer, started_from=now - minute, started_to=now + minute)) == 1
    assert cs.list_active_services(customer) == []
    assert len(cs.list_completed_services(customer, service_types=12)) == 1
    awkward = ' flight, "car" '
    cs.start_service(customer_id=customer, service_type=awkward)
    assert [one.service_type for one in cs.list_services(customer, service_types=[awkward])] == [awkward]
    assert len(cs.list_services(customer, service_types=awkward)) == 1
    cs.delete_service(service)
    with pytest.raises(errors.UnknownService):
        cs.get_service(service)

    cs.change_server_mode("maintenance")
    with pytest.raises(errors.Maintenance):
        cs.with_deadline(0.05).get_service(service)
    cs.change_server_mode("production")
    assert cs.get_server_status()["mode"] == "production"
    cs.live()
    cs.ready()
    assert "# TYPE" in cs.metrics()
    assert cs.get_document()["openapi"].startswith("3.1")
    for elements in operations.Elements.__args__:  # type: ignore[attr-defined]
        cs.delete_extension_schema(elements, f"E{run}")


@pytest.mark.skipif(URL is None, reason="CONTEXT_SERVICES_URL is not set")
def test_the_asynchronous_client_reads_what_it_wrote() -> None:
    async def main() -> None:
        async with AsyncContextServices(URL or "") as cs:
            service = await cs.start_service(customer_id=f"async-{time.time_ns()}")
            await cs.complete_service(service, disposition=10)
            assert (await cs.get_service(service)).disposition == 10

    anyio.run(main)
