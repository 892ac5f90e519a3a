"""A property that is worked out once, without a lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class lazy_property(Generic[T]):  # noqa: N801 - read like @property
    """A property worked out when first asked for, and kept in the instance.

    Python 3.11's functools.cached_property holds a lock that all instances of a class share: two threads, each with a
    replication of its own, would wait for each other.
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type | None = None) -> T:
        value = instance.__dict__[self.name] = self.function(instance)
        return value
