"""Client for Context Services. See `ContextServices` and `AsyncContextServices`."""

from . import errors
from ._client import AsyncContextServices, ContextServices
from .errors import ContextServicesError, Problem, Unreachable, Violation
from .types import Extension, LongOrString, Moment, Page, Service, State, Task, Time

__all__ = [
    "AsyncContextServices", "ContextServices", "ContextServicesError", "Extension", "LongOrString", "Moment", "Page",
    "Problem", "Service", "State", "Task", "Time", "Unreachable", "Violation", "errors",
]
