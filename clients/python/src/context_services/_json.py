"""JSON without loss: times always have an offset, and a `Decimal` keeps its digits."""

from __future__ import annotations

import datetime
import decimal
import json
import re
from collections.abc import Mapping
from typing import Any

# Marks a Decimal while it travels through `json`. No other string can hold it: the service refuses NUL.
_MARK = "\0decimal:"
_MARKED = re.compile(r'"\\u0000decimal:([^"]*)"')


def write(body: object) -> bytes:
    """Raises ValueError for a datetime without time zone and for numbers that are not finite."""
    text = json.dumps(body, default=_convert, allow_nan=False, separators=(",", ":"))
    return _MARKED.sub(r"\1", text).encode()


def time(value: datetime.datetime) -> str:
    """RFC 3339 with an offset."""
    if value.utcoffset() is None:
        raise ValueError(f"{value!r} has no time zone; use datetime.now(timezone.utc) or .astimezone()")
    # An offset has no seconds in RFC 3339, and historical zones do.
    return value.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


def _convert(value: object) -> Any:
    if isinstance(value, datetime.datetime):
        return time(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is not a number of JSON")
        return f"{_MARK}{value}"
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} cannot be sent as JSON")
