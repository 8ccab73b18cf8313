"""The adapter contract: what every adapter offers, in neutral vocabulary.

An adapter is mostly *pure*: it converts a domain verb to an HTTP request, and the response to an
`Answer`. The harness sends requests, so the same action can be sent by a retrying client, in a burst with
its last byte held back, or scheduled statement by statement.

Further verbs belong to capabilities, one file each in `overbooked.capabilities`. Scenarios that need a
capability that the adapter does not claim are NOT COVERED.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from overbooked.capabilities.claims import Claims
from overbooked.targets.actions import Action, Answer, CheckoutStep, Outcome
from overbooked.targets.cookies import CookieJar
from overbooked.targets.messages import HttpRequest, HttpResponse

__all__ = [
    "Account",
    "Action",
    "Adapter",
    "AdapterContext",
    "Answer",
    "CheckoutStep",
    "HttpRequest",
    "HttpResponse",
    "Money",
    "Outcome",
    "Send",
    "Slot",
]


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of a currency (ISO 4217)."""

    minor: int
    currency: str = "EUR"


@dataclass(frozen=True, slots=True)
class Slot:
    """A bookable slot that the adapter opened.

    Args:
        id: identifies the places; used in histories and durable state.
        aliases: the product names, where the same places are sold under several (two products of one
            resource). Customers then use them in turn, so that a race is one between products.
        product: the name used for the next booking, one of `aliases`; the harness sets it for `book`,
            `checkout`, `use_lock` and `reschedule`. Without aliases it is the id.
    """

    id: str
    capacity: int
    price: Money
    aliases: tuple[str, ...] = ()
    product: str = ""

    def __post_init__(self) -> None:
        if not self.product:
            object.__setattr__(self, "product", self.aliases[0] if self.aliases else self.id)


@dataclass(slots=True)
class Account:
    """The adapter's object for a customer's account and session.

    `session` belongs to the adapter (tokens ...); the harness does not read it. `nick` is the short name
    for `Action.who`, `cookies` the jar of this customer alone; the harness sets both.
    """

    name: str
    email: str
    id: str = ""
    session: Any = None
    nick: str = ""
    cookies: CookieJar = field(default_factory=CookieJar, compare=False, repr=False)

    @property
    def lane(self) -> str:
        """The customer's name in lanes and timelines."""
        return self.nick or self.name

    def does(self, action: Action) -> Action:
        """Return the action with this customer's cookies."""
        return replace(action, cookies=self.cookies)


# -- the contract -------------------------------------------------------------------------------


class Send(Protocol):
    """Sends one request through `client->app` and returns the response; raises TransportError."""

    def __call__(self, request: HttpRequest, *, replica: int | None = None) -> Awaitable[HttpResponse]: ...


@dataclass(frozen=True, slots=True)
class AdapterContext:
    """The parts of a stack that an adapter may use.

    Args:
        send: sends a request through the link `client->app`.
        urls: direct URLs (without links) by service name.
        dsns: direct database URLs by role (`observer` reads only, `owner` may plant discrepancies).
        settings: the descriptor's `[adapter]` table (secrets, operator credentials ...).
        seed: the seed of the adapter's random values.
    """

    send: Send
    urls: Mapping[str, str]
    dsns: Mapping[str, str]
    settings: Mapping[str, Any]
    seed: int


@runtime_checkable
class Adapter(Protocol):
    """What every adapter implements. Further verbs belong to capabilities.

    An adapter may also have `refuses = False`: every request for the same place is then answered with OK
    and the same `booking`, and one booking exists. Without it, all requests but one are refused.
    """

    @property
    def capabilities(self) -> Claims:
        """The capabilities that it claims, or their ids; a class attribute is enough.

        A mapping names the object that implements each; otherwise the adapter itself does.
        """

    async def connect(self, context: AdapterContext) -> None:
        """Open the connections that the adapter needs.

        Called once for each scenario and each replay, before any other method, on a new adapter object.
        The system often has the data of earlier scenarios: rows that an earlier `connect` made may
        exist, so create only what is missing.
        """

    async def close(self) -> None:
        """Close everything that `connect` opened."""

    async def open_slot(self, *, capacity: int, price: Money, private_venue: bool = False) -> Slot:
        """Offer a new slot in the future, overlapping no other."""

    async def customers(self, names: Sequence[tuple[str, str]]) -> list[Account]:
        """Register and log in one customer per (name, email).

        If a log-in sets cookies, the harness calls this with one customer at a time, so that each has a
        cookie jar of its own; the adapter does not handle cookies.
        """
