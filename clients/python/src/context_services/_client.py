"""The clients. They differ in how they send and wait; the operations and the retries are the same."""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import anyio
import httpx

from . import _operations
from ._call import Call, Retries, Settings, base_url

T = TypeVar("T")
P = ParamSpec("P")


def _method(operation: Callable[P, Call[T]]) -> Callable[Concatenate[ContextServices, P], T]:
    @functools.wraps(operation)
    def method(self: ContextServices, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._send(operation(*args, **kwargs))

    return method


def _async_method(operation: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncContextServices, P], Awaitable[T]]:
    @functools.wraps(operation)
    async def method(self: AsyncContextServices, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._send(operation(*args, **kwargs))

    return method


class ContextServices:
    """A client of the service. Each operation of the API is a method; docs/clients.md lists them. Threads may share it.

    Every call is repeated after a 503, a 429, a timeout or a broken connection until it is answered or `deadline`
    seconds have passed. A repeat never writes twice: starts and transitions carry an `Idempotency-Key`, and the rest is
    safe to repeat as it is. `http` replaces the HTTP client, for certificates or proxies.
    """

    def __init__(
        self, url: str, *, auth: tuple[str, str] | None = None, token: str | None = None, deadline: float = 60,
        attempt_timeout: float = 10, http: httpx.Client | None = None,
    ) -> None:
        self._settings = Settings(auth, token, deadline, attempt_timeout)
        self._url = base_url(url)
        self._http = http or httpx.Client(limits=httpx.Limits(max_connections=None))

    def __enter__(self) -> ContextServices:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def with_deadline(self, seconds: float) -> ContextServices:
        """The same client, with another limit for each call."""
        other = copy.copy(self)
        other._settings = Settings(self._settings.auth, self._settings.token, seconds, self._settings.attempt_timeout)
        return other

    def _send(self, call: Call[T]) -> T:
        request = call.request(self._settings)
        request["url"] = self._url + request["url"]
        retries = Retries(call, self._settings)
        while True:
            try:
                response = self._http.request(**request, timeout=retries.timeout())
            except httpx.TransportError as cause:
                time.sleep(retries.broken(cause))
                continue
            if retries.is_final(response):
                return call.read(response)
            time.sleep(retries.pause_after(response))

    # Lifecycle

    start_service = _method(_operations.start_service)
    associate_service = _method(_operations.associate_service)
    complete_service = _method(_operations.complete_service)
    start_state = _method(_operations.start_state)
    complete_state = _method(_operations.complete_state)
    transition_state = _method(_operations.transition_state)
    start_task = _method(_operations.start_task)
    complete_task = _method(_operations.complete_task)
    delete_service = _method(_operations.delete_service)
    update_expiration = _method(_operations.update_expiration)

    # Queries

    get_service = _method(_operations.get_service)
    list_services = _method(_operations.list_services)
    list_active_services = _method(_operations.list_active_services)
    list_completed_services = _method(_operations.list_completed_services)
    list_anonymous_services = _method(_operations.list_anonymous_services)
    list_active_anonymous_services = _method(_operations.list_active_anonymous_services)
    list_completed_anonymous_services = _method(_operations.list_completed_anonymous_services)
    get_state = _method(_operations.get_state)
    list_states = _method(_operations.list_states)
    list_active_states = _method(_operations.list_active_states)
    list_completed_states = _method(_operations.list_completed_states)
    get_task = _method(_operations.get_task)
    list_tasks = _method(_operations.list_tasks)
    list_active_tasks = _method(_operations.list_active_tasks)
    list_completed_tasks = _method(_operations.list_completed_tasks)

    # Extensions

    update_service_extension = _method(_operations.update_service_extension)
    merge_service_extension = _method(_operations.merge_service_extension)
    delete_service_extension = _method(_operations.delete_service_extension)
    update_state_extension = _method(_operations.update_state_extension)
    merge_state_extension = _method(_operations.merge_state_extension)
    delete_state_extension = _method(_operations.delete_state_extension)
    update_task_extension = _method(_operations.update_task_extension)
    merge_task_extension = _method(_operations.merge_task_extension)
    delete_task_extension = _method(_operations.delete_task_extension)

    # Metadata

    create_extension_schema = _method(_operations.create_extension_schema)
    list_extension_schemas = _method(_operations.list_extension_schemas)
    get_extension_schema = _method(_operations.get_extension_schema)
    delete_extension_schema = _method(_operations.delete_extension_schema)
    get_metadata = _method(_operations.get_metadata)
    list_business_attributes = _method(_operations.list_business_attributes)
    get_business_attribute = _method(_operations.get_business_attribute)
    define_business_attribute = _method(_operations.define_business_attribute)
    remove_business_attribute = _method(_operations.remove_business_attribute)

    # Server

    get_server_status = _method(_operations.get_server_status)
    change_server_mode = _method(_operations.change_server_mode)
    live = _method(_operations.live)
    ready = _method(_operations.ready)
    metrics = _method(_operations.metrics)
    get_document = _method(_operations.get_document)


class AsyncContextServices:
    """The same as `ContextServices` for asyncio and trio: every method is awaited."""

    def __init__(
        self, url: str, *, auth: tuple[str, str] | None = None, token: str | None = None, deadline: float = 60,
        attempt_timeout: float = 10, http: httpx.AsyncClient | None = None,
    ) -> None:
        self._settings = Settings(auth, token, deadline, attempt_timeout)
        self._url = base_url(url)
        self._http = http or httpx.AsyncClient(limits=httpx.Limits(max_connections=None))

    async def __aenter__(self) -> AsyncContextServices:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    def with_deadline(self, seconds: float) -> AsyncContextServices:
        """The same client, with another limit for each call."""
        other = copy.copy(self)
        other._settings = Settings(self._settings.auth, self._settings.token, seconds, self._settings.attempt_timeout)
        return other

    async def _send(self, call: Call[T]) -> T:
        request = call.request(self._settings)
        request["url"] = self._url + request["url"]
        retries = Retries(call, self._settings)
        while True:
            try:
                # The timeout of httpx counts each read anew; this one is for the attempt.
                with anyio.fail_after(retries.timeout()):
                    response = await self._http.request(**request, timeout=None)
            except (httpx.TransportError, TimeoutError) as cause:
                await anyio.sleep(retries.broken(cause))
                continue
            if retries.is_final(response):
                return call.read(response)
            await anyio.sleep(retries.pause_after(response))

    # Lifecycle

    start_service = _async_method(_operations.start_service)
    associate_service = _async_method(_operations.associate_service)
    complete_service = _async_method(_operations.complete_service)
    start_state = _async_method(_operations.start_state)
    complete_state = _async_method(_operations.complete_state)
    transition_state = _async_method(_operations.transition_state)
    start_task = _async_method(_operations.start_task)
    complete_task = _async_method(_operations.complete_task)
    delete_service = _async_method(_operations.delete_service)
    update_expiration = _async_method(_operations.update_expiration)

    # Queries

    get_service = _async_method(_operations.get_service)
    list_services = _async_method(_operations.list_services)
    list_active_services = _async_method(_operations.list_active_services)
    list_completed_services = _async_method(_operations.list_completed_services)
    list_anonymous_services = _async_method(_operations.list_anonymous_services)
    list_active_anonymous_services = _async_method(_operations.list_active_anonymous_services)
    list_completed_anonymous_services = _async_method(_operations.list_completed_anonymous_services)
    get_state = _async_method(_operations.get_state)
    list_states = _async_method(_operations.list_states)
    list_active_states = _async_method(_operations.list_active_states)
    list_completed_states = _async_method(_operations.list_completed_states)
    get_task = _async_method(_operations.get_task)
    list_tasks = _async_method(_operations.list_tasks)
    list_active_tasks = _async_method(_operations.list_active_tasks)
    list_completed_tasks = _async_method(_operations.list_completed_tasks)

    # Extensions

    update_service_extension = _async_method(_operations.update_service_extension)
    merge_service_extension = _async_method(_operations.merge_service_extension)
    delete_service_extension = _async_method(_operations.delete_service_extension)
    update_state_extension = _async_method(_operations.update_state_extension)
    merge_state_extension = _async_method(_operations.merge_state_extension)
    delete_state_extension = _async_method(_operations.delete_state_extension)
    update_task_extension = _async_method(_operations.update_task_extension)
    merge_task_extension = _async_method(_operations.merge_task_extension)
    delete_task_extension = _async_method(_operations.delete_task_extension)

    # Metadata

    create_extension_schema = _async_method(_operations.create_extension_schema)
    list_extension_schemas = _async_method(_operations.list_extension_schemas)
    get_extension_schema = _async_method(_operations.get_extension_schema)
    delete_extension_schema = _async_method(_operations.delete_extension_schema)
    get_metadata = _async_method(_operations.get_metadata)
    list_business_attributes = _async_method(_operations.list_business_attributes)
    get_business_attribute = _async_method(_operations.get_business_attribute)
    define_business_attribute = _async_method(_operations.define_business_attribute)
    remove_business_attribute = _async_method(_operations.remove_business_attribute)

    # Server

    get_server_status = _async_method(_operations.get_server_status)
    change_server_mode = _async_method(_operations.change_server_mode)
    live = _async_method(_operations.live)
    ready = _async_method(_operations.ready)
    metrics = _async_method(_operations.metrics)
    get_document = _async_method(_operations.get_document)
