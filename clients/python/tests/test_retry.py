"""The core against a transport that answers by a script. Waits are recorded, not waited for."""

from __future__ import annotations

import datetime
import email.utils
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Union

import anyio
import httpx
import pytest

from context_services import AsyncContextServices, ContextServices, Problem, Unreachable, errors

Step = Union[httpx.Response, Exception]


class Script:
    """Answers with each step in turn, and with the last one from then on."""

    def __init__(self, *steps: Step) -> None:
        self.steps = steps
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        step = self.steps[min(len(self.requests), len(self.steps) - 1)]
        self.requests.append(request)
        if isinstance(step, Exception):
            raise step
        return httpx.Response(step.status_code, headers=step.headers, content=step.content)

    def client(self, **settings: float) -> ContextServices:
        http = httpx.Client(transport=httpx.MockTransport(self))
        return ContextServices("http://service/base/", http=http, **settings)  # type: ignore[arg-type]


def answer(status: int, body: object = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    return answer(status, {"status": status, "code": code, "detail": code}, **headers)


BROKEN = httpx.RemoteProtocolError("Server disconnected without sending a response.")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    recorded: list[float] = []
    monkeypatch.setattr(time, "sleep", recorded.append)
    return recorded


def test_a_start_keeps_its_key_over_all_retries_and_the_next_takes_another(waits: list[float]) -> None:
    script = Script(BROKEN, problem(503, "database_unavailable"), answer(201, {"service_id": 2**63 - 1}))
    cs = script.client()
    assert cs.start_service(customer_id="00K7") == 2**63 - 1
    cs.start_service(customer_id="00K7")
    keys = [request.headers["idempotency-key"] for request in script.requests]
    assert keys[0] == keys[1] == keys[2] != keys[3]


def test_an_end_is_repeated_as_it_is(waits: list[float]) -> None:
    script = Script(BROKEN, problem(503, "overloaded"), answer(204))
    script.client().complete_task(95, 3, disposition=10, Survey={"question1": 7}, Price={"net": Decimal("1.50")})
    bodies = {request.content for request in script.requests}
    assert bodies == {b'{"Survey":{"question1":7},"Price":{"net":1.50},"disposition":10}'}
    assert len(script.requests) == 3
    assert "idempotency-key" not in script.requests[0].headers


def test_retry_after_is_waited_for(waits: list[float]) -> None:
    date = email.utils.format_datetime(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=9), usegmt=True)
    script = Script(problem(429, "rate_limited", retry_after="7"), problem(503, "maintenance", retry_after=date), answer(200, []))
    script.client().list_services("00K7")
    assert 7 <= waits[0] <= 7.1
    assert 7.5 <= waits[1] <= 9.2


def test_waits_grow_exponentially_with_jitter_up_to_a_limit(waits: list[float]) -> None:
    script = Script(*[BROKEN] * 10, answer(204))
    script.client(deadline=1000).complete_service(95)
    for attempt, wait in enumerate(waits):
        backoff = min(5, 0.1 * 2**attempt)
        assert backoff / 2 <= wait <= backoff


def test_a_retry_after_beyond_the_deadline_is_not_waited_for(waits: list[float]) -> None:
    script = Script(problem(503, "maintenance", retry_after="100"))
    with pytest.raises(errors.Maintenance):
        script.client().list_services("00K7")
    assert not waits


def test_without_an_answer_the_deadline_ends_the_call() -> None:
    with pytest.raises(Unreachable) as failure:
        Script(BROKEN).client(deadline=0.5).start_service(customer_id="00K7")
    assert failure.value.__cause__ is BROKEN


def test_a_refusal_is_not_repeated_and_names_every_violation(waits: list[float]) -> None:
    violation = {"pointer": "/Survey/question1", "detail": "expected an integer, found a string"}
    body = {"status": 400, "code": "invalid_event", "detail": "1 field", "errors": [violation]}
    script = Script(answer(400, body, x_request_id="r-1"))
    with pytest.raises(errors.InvalidEvent) as refusal:
        script.client().complete_task(95, 3, Survey={"question1": "7"})
    assert refusal.value.errors == (errors.Violation(pointer=violation["pointer"], detail=violation["detail"]),)
    assert (refusal.value.code, refusal.value.status, refusal.value.request_id) == ("invalid_event", 400, "r-1")
    assert len(script.requests) == 1


def test_an_answer_of_a_proxy_is_a_problem_without_a_code(waits: list[float]) -> None:
    with pytest.raises(Problem) as failure:
        Script(httpx.Response(403, text="<html>")).client().get_metadata()
    assert failure.value.code == "unknown"


def test_a_deletion_whose_first_answer_was_lost_has_been_done(waits: list[float]) -> None:
    Script(BROKEN, problem(404, "unknown_service")).client().delete_service(95)
    with pytest.raises(errors.UnknownService):
        Script(problem(503, "overloaded"), problem(404, "unknown_service")).client().delete_service(95)


def test_a_deletion_after_a_refused_connection_has_not_been_done(waits: list[float]) -> None:
    with pytest.raises(errors.UnknownService):
        Script(httpx.ConnectError("refused"), problem(404, "unknown_service")).client().delete_service(95)


def test_a_time_without_a_zone_is_refused() -> None:
    script = Script(answer(204))
    naive = datetime.datetime(2026, 2, 5, 10)
    calls: list[Callable[[], object]] = [
        lambda: script.client().complete_service(95, timestamp=naive),
        lambda: script.client().complete_service(95, Survey={"at": [naive]}),
        lambda: script.client().list_services("00K7", started_from=naive),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="has no time zone"):
            call()
    assert not script.requests


def test_times_are_sent_with_their_zone() -> None:
    script = Script(answer(204), answer(200, []))
    moment = datetime.datetime(2026, 2, 5, 10, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    script.client().complete_service(95, timestamp=moment, Stay={"from": datetime.date(2026, 2, 5)})
    assert script.requests[0].content == b'{"Stay":{"from":"2026-02-05"},"timestamp":"2026-02-05T09:00:00Z"}'
    script.client().list_services("a/b ü", started_from=moment, service_types=[12, "hotel"], extensions=(), limit=2)
    path = "/base/customers/a%2Fb%20%C3%BC/services"
    query = "service_types=12&service_types=hotel&started_from=2026-02-05T09%3A00%3A00Z&limit=2"
    assert script.requests[1].url.raw_path.decode() == f"{path}?{query}"


def test_numbers_that_are_not_finite_and_paths_that_lead_elsewhere_are_refused() -> None:
    script = Script(answer(204))
    for number in (float("nan"), Decimal("Infinity")):
        with pytest.raises(ValueError):
            script.client().complete_service(95, Survey={"n": number})
    for name in ("", ".", ".."):
        with pytest.raises(ValueError):
            script.client().delete_service_extension(95, name)
    assert not script.requests


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        (float("nan"), "/Survey/0/a~1b"), (Decimal("Infinity"), "/Survey/0/a~1b"), (b"x", "/Survey/0/a~1b"),
        ({1}, "/Survey/0/a~1b"), (object(), "/Survey/0/a~1b"), ("\ud800", "/Survey/0/a~1b"), ({1: 2}, "/Survey/0/a~1b"),
        ({None: 2}, "/Survey/0/a~1b"), ({"\udc00": 2}, "/Survey/0/a~1b"), ([datetime.datetime(2026, 2, 5)], "/Survey/0/a~1b/0"),
    ],
)
def test_what_json_would_change_is_refused_with_its_place(value: object, pointer: str) -> None:
    script = Script(answer(204))
    with pytest.raises((TypeError, ValueError), match=f"^{pointer}: "):
        script.client().complete_service(95, Survey=[{"a/b": value}])
    assert not script.requests


def test_numbers_keep_their_digits_on_the_way_there_and_back() -> None:
    record = '{"a":0.1234567890123456789,"b":1e400,"c":0.1,"d":9223372036854775807,"e":1.50,"f":2.0}'
    script = Script(httpx.Response(200, content=f'{{"task_id":3,"started":{{"timestamp":"2026-02-05T09:00:00Z"}},"Survey":{record}}}'), answer(204))
    survey = script.client().get_task(95, 3).extensions["Survey"]
    assert survey == {
        "a": Decimal("0.1234567890123456789"), "b": Decimal("1E+400"), "c": 0.1, "d": 2**63 - 1, "e": 1.5, "f": 2.0,
    }
    assert isinstance(survey["c"], float)
    script.client().complete_task(95, 3, Survey=survey)
    sent = b'{"Survey":{"a":0.1234567890123456789,"b":1E+400,"c":0.1,"d":9223372036854775807,"e":1.5,"f":2.0}}'
    assert script.requests[1].content == sent


def test_no_text_can_pass_for_a_decimal() -> None:
    script = Script(answer(204))
    script.client().complete_task(95, 3, Survey={"text": "\0decimal:5", "price": Decimal("1.50")})
    assert script.requests[0].content == b'{"Survey":{"text":"\\u0000decimal:5","price":1.50}}'


@pytest.mark.parametrize("value", [None, True, 1.0, float("nan"), b"1", [95]])
def test_what_is_not_an_identifier_is_refused_before_anything_is_sent(value: Any) -> None:
    script = Script(answer(204))
    cs = script.client()
    calls: list[Callable[[], object]] = [
        lambda: cs.complete_task(95, value), lambda: cs.list_services(value), lambda: cs.transition_state(95, value),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="is not an identifier"):
            call()
    assert not script.requests


def test_an_item_of_a_list_arrives_as_it_is() -> None:
    script = Script(answer(200, []))
    script.client().list_services("00K7", service_types=["hotel, flight", ' "car" ', 12], extensions=())
    items = script.requests[0].url.params.get_list("service_types")
    assert items == ['"hotel, flight"', '" ""car"" "', "12"]
    with pytest.raises(TypeError):
        script.client().list_services("00K7", limit=1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["localhost:8080", "127.0.0.1:8080", "ftp://localhost", "http://", ""])
def test_an_address_that_is_not_of_http_is_refused_at_once(url: str) -> None:
    for client in (ContextServices, AsyncContextServices):
        with pytest.raises(ValueError):
            client(url)


def test_a_failure_without_a_text_has_its_name() -> None:
    with pytest.raises(Unreachable, match="no answer: ReadTimeout"):
        Script(httpx.ReadTimeout("")).client(deadline=0.05).get_metadata()


def test_the_asynchronous_client_bounds_an_attempt_that_never_ends() -> None:
    attempts = 0

    async def hang(request: httpx.Request) -> httpx.Response:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await anyio.sleep(60)
        return httpx.Response(201, json={"task_id": 3})

    async def main() -> int:
        http = httpx.AsyncClient(transport=httpx.MockTransport(hang))
        async with AsyncContextServices("http://service", http=http, attempt_timeout=0.05) as cs:
            return await cs.start_task(95)

    assert anyio.run(main) == 3
    assert attempts == 2


@pytest.mark.parametrize("key", ["", " a", "a ", "Müller", "a\n", "x" * 256])
def test_a_key_that_would_not_arrive_as_it_is_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        ContextServices("http://127.0.0.1:1").start_service(customer_id="00K7", idempotency_key=key)
