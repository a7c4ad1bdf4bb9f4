"""JSON without loss: times always have an offset, numbers keep their digits, and what JSON would change is refused."""

from __future__ import annotations

import datetime
import decimal
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def write(body: object) -> bytes:
    """Raises ValueError or TypeError, with a JSON pointer, for what JSON cannot express."""
    # Marks each Decimal while it passes through `json`. Data cannot contain what is drawn after it was written.
    mark = secrets.token_hex(16)
    text = json.dumps(_plain(body, "", mark), allow_nan=False, separators=(",", ":"))
    return re.sub(f'"{mark}([^"]*)"', r"\1", text).encode()


def read(text: str | bytes) -> Any:
    """A number with a fraction is a float if that has the same digits, and else a Decimal."""
    return json.loads(text, parse_float=_exact)


def time(value: datetime.datetime) -> str:
    """RFC 3339 with an offset."""
    if value.utcoffset() is None:
        raise ValueError(f"{value!r} has no time zone; use datetime.now(timezone.utc) or .astimezone()")
    # An offset has no seconds in RFC 3339, and historical zones do.
    return value.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


def _exact(digits: str) -> float | decimal.Decimal:
    number = float(digits)
    exact = decimal.Decimal(digits)
    return number if decimal.Decimal(repr(number)) == exact else exact


def _plain(value: object, pointer: str, mark: str) -> Any:
    """The value in the types that `json` writes without loss."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        if _LONE_SURROGATE.search(value):
            raise ValueError(f"{_at(pointer)}: a text with half of a surrogate pair cannot be sent")
        return value
    if isinstance(value, (float, decimal.Decimal)):
        return _number(value, pointer, mark)
    if isinstance(value, datetime.datetime):
        try:
            return time(value)
        except ValueError as error:
            raise ValueError(f"{_at(pointer)}: {error}") from None
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {_key(key, pointer): _plain(one, f"{pointer}/{_escaped(key)}", mark) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one, f"{pointer}/{i}", mark) for i, one in enumerate(value)]
    raise TypeError(f"{_at(pointer)}: a {type(value).__name__} cannot be sent as JSON")


def _number(value: float | decimal.Decimal, pointer: str, mark: str) -> float | str:
    if not decimal.Decimal(value).is_finite():
        raise ValueError(f"{_at(pointer)}: {value} is not a number of JSON")
    return f"{mark}{value}" if isinstance(value, decimal.Decimal) else value


def _key(key: object, pointer: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{_at(pointer)}: the key {key!r} is not a text")
    if _LONE_SURROGATE.search(key):
        raise ValueError(f"{_at(pointer)}: the key {key!r} has half of a surrogate pair")
    return key


def _escaped(key: object) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")


def _at(pointer: str) -> str:
    return pointer or "the body"
