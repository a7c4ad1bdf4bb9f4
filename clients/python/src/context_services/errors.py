"""What a call raises: a `Problem` for each code, and `Unreachable`."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import httpx

from . import _json


@dataclasses.dataclass(frozen=True)
class Violation:
    """What is wrong at one place: a JSON pointer in the body, or a query parameter."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class ContextServicesError(Exception):
    """Base of everything that a call raises because of the service or the network."""


class Unreachable(ContextServicesError):
    """No answer arrived before the deadline. The event may or may not have been written; the cause is the last failure."""


class Problem(ContextServicesError):
    """An error answer of the service. Each code is a subclass; texts may change, codes do not."""

    code: ClassVar[str] = "unknown"
    _classes: ClassVar[dict[str, type[Problem]]] = {}

    def __init_subclass__(cls) -> None:
        cls._classes[cls.code] = cls

    def __init__(self, status: int, detail: str, errors: tuple[Violation, ...], request_id: str | None) -> None:
        self.status = status
        self.detail = detail
        self.errors = errors
        #: The `X-Request-Id`, by which the operator finds the request in the log.
        self.request_id = request_id
        lines = [f"{status} {self.code}: {detail}", *(f"{e.pointer or e.parameter}: {e.detail}" for e in errors)]
        super().__init__("\n  ".join(lines))

    @staticmethod
    def of(response: httpx.Response) -> Problem:
        """The problem in an answer. Something between client and service may have answered without one."""
        body: dict[str, Any] = {}
        if "json" in response.headers.get("content-type", ""):
            try:
                parsed = _json.read(response.content)
                body = parsed if isinstance(parsed, dict) else {}
            except ValueError:
                pass
        kind = Problem._classes.get(body.get("code", ""), Problem)
        errors = tuple(Violation(e["detail"], e.get("pointer"), e.get("parameter")) for e in body.get("errors", ()))
        detail = body.get("detail") or response.reason_phrase
        return kind(response.status_code, detail, errors, response.headers.get("x-request-id"))


class InvalidJson(Problem):
    code = "invalid_json"


class InvalidId(Problem):
    code = "invalid_id"


class InvalidEvent(Problem):
    code = "invalid_event"


class InvalidQuery(Problem):
    code = "invalid_query"


class InvalidSchema(Problem):
    code = "invalid_schema"


class Unauthenticated(Problem):
    code = "unauthenticated"


class Forbidden(Problem):
    code = "forbidden"


class UnknownService(Problem):
    code = "unknown_service"


class UnknownState(Problem):
    code = "unknown_state"


class UnknownTask(Problem):
    code = "unknown_task"


class UnknownExtension(Problem):
    code = "unknown_extension"


class UnknownBusinessAttribute(Problem):
    code = "unknown_business_attribute"


class NotFound(Problem):
    code = "not_found"


class MethodNotAllowed(Problem):
    code = "method_not_allowed"


class RequestTimeout(Problem):
    code = "request_timeout"


class AlreadyCompleted(Problem):
    code = "already_completed"


class StateMismatch(Problem):
    code = "state_mismatch"


class SchemaExists(Problem):
    code = "schema_exists"


class PayloadTooLarge(Problem):
    code = "payload_too_large"


class UnsupportedMediaType(Problem):
    code = "unsupported_media_type"


class IdempotencyMismatch(Problem):
    code = "idempotency_mismatch"


class RateLimited(Problem):
    code = "rate_limited"


class Internal(Problem):
    code = "internal"


class Overloaded(Problem):
    code = "overloaded"


class Maintenance(Problem):
    code = "maintenance"


class DatabaseUnavailable(Problem):
    code = "database_unavailable"
