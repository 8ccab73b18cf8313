"""A capability: an id, the protocol that an adapter implements, and its record kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

P = TypeVar("P")
R = TypeVar("R")
V = TypeVar("V", bound=Callable[..., Any])

_MARK = "_overbooked_marks"
_JOB, _CUSTOMER, _OPERATOR = "job", "customer", "operator"


@dataclass(frozen=True, slots=True)
class RecordKind(Generic[R]):
    """A kind of record in the durable state.

    Args:
        name: the field's name in `DurableState`, e.g. `bookings`.
        row: the type of one record, a frozen dataclass.
        removable: the system may delete a record that is no longer needed; other records must stay.
    """

    name: str
    row: type[R]
    removable: bool = False


@dataclass(frozen=True)
class Capability(Generic[P]):
    """A group of verbs that a target may offer. Two objects with the same id are equal.

    Made by `overbooked.capabilities.declare`.

    Args:
        id: its name in messages and adapters, e.g. `durable state`.
        protocol: the methods and properties that an adapter implements.
        records: the record kinds that a target with this capability has in its durable state.
    """

    id: str
    protocol: type[P] = field(compare=False)
    records: tuple[RecordKind[Any], ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return self.id

    @property
    def attribute(self) -> str:
        """The name of its property on `System`."""
        return self.id.replace(" ", "_").replace("-", "_")

    @cached_property
    def verbs(self) -> tuple[str, ...]:
        """The public names that the protocol declares, in order."""
        names: dict[str, None] = {}
        for base in reversed(self.protocol.__mro__):
            if base in {object, Protocol, Generic}:
                continue
            declared = [*vars(base), *vars(base).get("__annotations__", {})]
            names |= dict.fromkeys(name for name in declared if not name.startswith("_"))
        return tuple(names)

    def counts_as_job(self, verb: str) -> bool:
        """Whether the verb runs a background job of the system to its end."""
        return self._is(verb, _JOB)

    def is_sent_by_customer(self, verb: str) -> bool:
        """Whether the adapter's requests during the verb carry the customer's cookies."""
        return self._is(verb, _CUSTOMER)

    def is_sent_by_operator(self, verb: str) -> bool:
        """Whether the action that the verb returns carries the cookies of the adapter's own session."""
        return self._is(verb, _OPERATOR)

    def _is(self, verb: str, mark: str) -> bool:
        return mark in getattr(getattr(self.protocol, verb, None), _MARK, ())


def runs_a_job(verb: V) -> V:
    """Mark a protocol method that runs a background job: a trial that ran one is not vacuous."""
    return _marked(verb, _JOB)


def sent_by_customer(verb: V) -> V:
    """Mark a protocol method whose requests carry the customer's cookies."""
    return _marked(verb, _CUSTOMER)


def sent_by_operator(verb: V) -> V:
    """Mark a protocol method that returns an action of the operator: it carries the adapter's cookies."""
    return _marked(verb, _OPERATOR)


def _marked(verb: V, mark: str) -> V:
    setattr(verb, _MARK, (*getattr(verb, _MARK, ()), mark))
    return verb
