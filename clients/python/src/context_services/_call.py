"""One call and its retries, without waiting or sending: that is where the two clients differ."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import email.utils
import logging
import random
import secrets
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import httpx

from . import _json
from .errors import ContextServicesError, Problem, Unreachable

T = TypeVar("T")

log = logging.getLogger("context_services")

RETRIED = {408, 429, 502, 503, 504}
#: Answers after which the request may have been carried out.
UNCERTAIN = {"database_unavailable", "unknown"}
#: Mistakes of the caller, which a retry does not mend.
HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
BASE_WAIT = 0.1
MAX_WAIT = 5.0


def base_url(url: str) -> str:
    """The address of the service, without a slash at its end. Raises ValueError for what httpx would refuse at each call."""
    parsed = httpx.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"{url!r} does not begin with http:// or https:// and a host")
    return url.rstrip("/")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What both clients are told. Times are in seconds."""

    auth: tuple[str, str] | None
    token: str | None
    deadline: float
    attempt_timeout: float

    def headers(self) -> dict[str, str]:
        headers = {"accept": "application/json"}
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        elif self.auth is not None:
            headers["authorization"] = "Basic " + base64.b64encode(":".join(self.auth).encode()).decode()
        return headers


@dataclasses.dataclass(frozen=True)
class Call(Generic[T]):
    """One request as an operation describes it."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    query: dict[str, Any] = dataclasses.field(default_factory=dict)
    body: object = None
    idempotency_key: str | None = None
    #: The code that answers a deletion which an earlier attempt has already done.
    gone: str | None = None
    #: False for the probes: their failure is the answer.
    retry: bool = True

    def request(self, settings: Settings) -> dict[str, Any]:
        """The arguments of httpx's `request`, the same for every attempt but for its timeout."""
        headers = settings.headers()
        if self.idempotency_key is not None:
            headers["idempotency-key"] = self.idempotency_key
        content = None
        if self.body is not None:
            headers["content-type"] = "application/json"
            content = _json.write(self.body)
        return {"method": self.method, "url": self.path, "params": self.query, "headers": headers, "content": content}


class Retries(Generic[T]):
    """Decides after each attempt of one call: a result, an error, or how long to wait before the next."""

    def __init__(self, call: Call[T], settings: Settings) -> None:
        self.call = call
        self.settings = settings
        self.end = time.monotonic() + settings.deadline
        self.attempts = 0
        self.uncertain = False

    def timeout(self) -> float:
        """How long the next attempt may take, in seconds."""
        return max(0.001, min(self.settings.attempt_timeout, self.end - time.monotonic()))

    def is_final(self, response: httpx.Response) -> bool:
        """Whether `response` ends the call well. Raises the problem if a retry would not mend it."""
        if response.is_success:
            return True
        problem = Problem.of(response)
        if self.uncertain and problem.code == self.call.gone:
            return True
        if problem.status not in RETRIED:
            raise problem
        return False

    def pause_after(self, response: httpx.Response) -> float:
        """The wait before the next attempt after an answer that was not final."""
        problem = Problem.of(response)
        self.uncertain |= problem.code in UNCERTAIN
        return self._pause(problem, retry_after(response.headers))

    def broken(self, cause: Exception) -> float:
        """The wait before the next attempt after a failure of the network."""
        if isinstance(cause, HOPELESS):
            raise cause
        # Without a connection, nothing can have been written.
        self.uncertain |= not isinstance(cause, (httpx.ConnectError, httpx.ConnectTimeout))
        # Timeouts of httpx and of the operating system have no text.
        failure = Unreachable(f"no answer: {str(cause) or type(cause).__name__}")
        failure.__cause__ = cause
        return self._pause(failure, 0)

    def _pause(self, failure: ContextServicesError, at_least: float) -> float:
        self.attempts += 1
        wait = pause(self.attempts, at_least)
        if not self.call.retry or time.monotonic() + wait >= self.end:
            raise failure
        log.warning("%s %s: %s; trying again in %.1f s", self.call.method, self.call.path, failure, wait)
        return wait


def pause(attempt: int, at_least: float) -> float:
    """The wait before the next attempt: exponential with jitter, and after `Retry-After` rather than before it."""
    backoff = min(MAX_WAIT, BASE_WAIT * 2 ** min(attempt - 1, 16))
    return at_least + random.uniform(0, min(backoff, 1)) if at_least > 0 else backoff * random.uniform(0.5, 1)


def retry_after(headers: httpx.Headers) -> float:
    """`Retry-After` in seconds, from seconds or a date; 0 if there is none."""
    value = headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0
    return max(0.0, (moment - datetime.datetime.now(datetime.timezone.utc)).total_seconds())


def new_key() -> str:
    return secrets.token_hex(16)
