"""The verbs of one capability for scenarios."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from overbooked.capabilities import Capability
from overbooked.system.customer import Customer
from overbooked.targets.adapter import Action
from overbooked.targets.cookies import CookieJar, carrying


@dataclass(slots=True)
class JobCount:
    """The number of jobs that were run to their end."""

    value: int = 0


class CapabilityVerbs:
    """Calls the object that implements a capability: passes accounts for customers, and gives each action the
    cookies of its customer.

    Args:
        capability: its protocol has the verbs and the marks that determine how each is called.
        implementing: the adapter's object.
        operator: the cookies of the adapter's own session.
        jobs_run: counts jobs.
    """

    __slots__ = ("_capability", "_implementing", "_jobs_run", "_operator")

    def __init__(
        self, capability: Capability[Any], implementing: Any, operator: CookieJar, jobs_run: JobCount
    ) -> None:
        self._capability = capability
        self._implementing = implementing
        self._operator = operator
        self._jobs_run = jobs_run

    def __repr__(self) -> str:
        return f"<the verbs of {self._capability.id!r}>"

    def __getattr__(self, verb: str) -> Any:
        if verb not in self._capability.verbs:
            raise AttributeError(
                f"the capability {self._capability.id!r} has no verb {verb!r}; it has "
                f"{', '.join(self._capability.verbs)}"
            )
        found = getattr(self._implementing, verb)
        return self._called(verb, found) if inspect.isroutine(found) else found

    def _called(self, verb: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            customers = [one for one in (*args, *named.values()) if isinstance(one, Customer)]
            who = customers[0] if customers else None
            given = method(*map(_account, args), **{name: _account(one) for name, one in named.items()})
            if isinstance(given, Action):
                return self._addressed(verb, given, who)
            return self._awaited(verb, given, who) if inspect.isawaitable(given) else given

        return call

    def _addressed(self, verb: str, action: Action, who: Customer | None) -> Action:
        if self._capability.is_sent_by_operator(verb):
            return replace(action, cookies=self._operator)
        return who.does(action) if who and action.cookies is None else action

    async def _awaited(self, verb: str, given: Awaitable[Any], who: Customer | None) -> Any:
        own = who is not None and self._capability.is_sent_by_customer(verb)
        with carrying(who.cookies) if who and own else nullcontext():
            result = await given
        if self._capability.counts_as_job(verb):
            self._jobs_run.value += 1
        return result


def _account(given: Any) -> Any:
    return given.account if isinstance(given, Customer) else given
