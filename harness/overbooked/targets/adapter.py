"""The port to a booking system: what an adapter must say, in no system's own vocabulary.

An adapter is mostly *pure*: it turns a domain verb into an HTTP request and a response back into
an `Answer`. Sending is the harness's business, so the same action can be sent by a patient client,
fired in a burst with its last byte held back, or scheduled statement by statement.

The words are in `actions` and `records` and can be had from here: this is the public interface.
What a system cannot do it does not list in `capabilities`; scenarios that need it are NOT COVERED.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from overbooked.targets.actions import Action, Answer, CheckoutStep, Outcome
from overbooked.targets.cookies import CookieJar
from overbooked.targets.messages import HttpRequest, HttpResponse
from overbooked.targets.records import (
    DISCREPANCIES,
    PAYMENT_STATES,
    BookingRow,
    ChargeRow,
    DeadLetter,
    Discrepancy,
    DurableState,
    HoldRow,
    LedgerTransaction,
    PaymentRow,
    ProviderEvent,
    ReconciliationReport,
)

__all__ = [
    "DISCREPANCIES",
    "PAYMENT_STATES",
    "Action",
    "Adapter",
    "Answer",
    "BookingRow",
    "BookingVerbs",
    "Capability",
    "ChargeRow",
    "CheckoutStep",
    "CheckoutVerbs",
    "Customer",
    "DeadLetter",
    "Discrepancy",
    "DurableState",
    "DurableStateVerbs",
    "HoldRow",
    "HttpRequest",
    "HttpResponse",
    "Instant",
    "LedgerTransaction",
    "Money",
    "Outcome",
    "PaymentRow",
    "PricingVerbs",
    "ProviderEvent",
    "ReconciliationReport",
    "ReconciliationVerbs",
    "ReschedulingVerbs",
    "ResizingVerbs",
    "Send",
    "SessionVerbs",
    "Slot",
    "Surroundings",
    "TimeAndJobs",
    "WebhookVerbs",
]


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of a currency (ISO 4217)."""

    minor: int
    currency: str = "EUR"


@dataclass(frozen=True, slots=True)
class Slot:
    """A bookable slot as the adapter opened it.

    Args:
        id: of the places themselves; histories and durable state speak of it.
        aliases: where the same places are sold under other names (two products of one resource), those
            names. Customers then take turns at them, so that a race is one between products.
        product: the name it is booked by now, one of `aliases`; the harness sets it for `book`,
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
class Customer:
    """A person with an account and, most of the time, a session.

    `session` is the adapter's own (tokens ...); nothing else looks into it. `nick` is the short name
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
        """The customer's name in timelines."""
        return self.nick or self.name

    def does(self, action: Action) -> Action:
        """The action, to be sent with this customer's cookies."""
        return replace(action, cookies=self.cookies)


class Capability(StrEnum):
    """What a target can do beyond booking; scenarios name what they need."""

    BOOKING = "booking"  # book, cancel
    RESCHEDULING = "rescheduling"
    RESIZING = "resizing"  # change a slot's capacity
    CHECKOUT = "checkout"  # priced slots, price locks, payment through a provider
    SESSIONS = "sessions"  # log in, expire and revoke
    PRICING = "pricing"  # change prices, round them
    CLOCK = "clock"  # advance
    JOBS = "jobs"  # run_job, settle
    WEBHOOKS = "webhooks"
    RECONCILIATION = "reconciliation"
    DURABLE_STATE = "durable state"


# -- what the adapter is given and what it gives ------------------------------------------------


class Send(Protocol):
    """Sends one request through `client->app` and returns the response; raises TransportFailed."""

    def __call__(self, request: HttpRequest, *, replica: int | None = None) -> Awaitable[HttpResponse]: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a stack lets an adapter reach.

    `urls` are direct URLs (no links in between) by service name; `dsns` are direct database URLs by
    role (`observer` read-only, `owner` for planting discrepancies); `settings` are the descriptor's
    `[adapter]` table (secrets, operator credentials ...). `send` goes through the links.
    """

    send: Send
    urls: Mapping[str, str]
    dsns: Mapping[str, str]
    settings: Mapping[str, Any]
    seed: int


@runtime_checkable
class Adapter(Protocol):
    """What every target must offer. Further groups of verbs are protocols of their own below.

    An adapter may also have `refuses = False`: callers who ask for the same place are then all told OK,
    with the same `booking`, and one exists. Without it, all but one are refused.
    """

    capabilities: frozenset[Capability]

    async def connect(self, surroundings: Surroundings) -> None:
        """Open what the adapter needs.

        Called once for each scenario and each replay, before anything else, on a new adapter object.
        The system and its data are often those of earlier scenarios: rows that an earlier `connect`
        made are still there, so make what is needed where it is not there yet.
        """

    async def close(self) -> None:
        """Let go of everything `connect` opened."""

    async def open_slot(self, *, capacity: int, price: Money, private_venue: bool = False) -> Slot:
        """Offer a new slot in the future, overlapping no other."""

    async def customers(self, names: Sequence[tuple[str, str]]) -> list[Customer]:
        """Register and log in one customer per (name, email).

        Where the system sets cookies when a customer logs in, this is called with one customer at a
        time, so that each has a cookie jar of its own; the adapter need not handle cookies.
        """


class BookingVerbs(Protocol):
    """Booking without payment. Capability.BOOKING."""

    def book(self, who: Customer, slot: Slot, *, key: str | None = None) -> Action:
        """Facts when OK: `booking`."""

    def cancel(self, who: Customer, booking: str) -> Action:
        """Repeating it on a cancelled booking is REFUSED (409)."""

    async def places(self, slot: Slot) -> tuple[int, int]:
        """(capacity, confirmed bookings) of a slot as the database has them."""


class ReschedulingVerbs(Protocol):
    """Capability.RESCHEDULING."""

    def reschedule(self, who: Customer, booking: str, to: Slot) -> Action:
        """Move a confirmed booking to another slot, all or nothing."""


class ResizingVerbs(Protocol):
    """Capability.RESIZING."""

    def resize(self, slot: Slot, capacity: int) -> Action:
        """Change a slot's capacity, by its operator; REFUSED below what is sold."""


class CheckoutVerbs(Protocol):
    """Buying a place through checkout. Capability.CHECKOUT."""

    def checkout(
        self, who: Customer, slot: Slot, *, key: str, method: str = "card"
    ) -> Sequence[CheckoutStep]:
        """The HTTP requests of checkout in order.

        Named steps; the last is `pay`. Facts: `lock` and `price` (Money) from the quote, `checkout`
        once begun, `booking` once paid. `method`: "card", "declined card", or "bank" (the provider
        captures later and says so by webhook; `pay` then is OK with `pending` true).
        Each step's `build` takes whichever `who` it was made for; `resume` serves another person.
        """

    def read_checkout(self, who: Customer, checkout: str) -> Action:
        """Facts: `state`, `price`, `details` (entered data), `hold` (bool: a place is held)."""

    def resume(self, who: Customer, checkout: str, *, key: str, method: str = "card") -> Action:
        """Pay a checkout that was begun before; facts as `pay`."""

    def use_lock(self, who: Customer, lock: str, slot: Slot) -> Action:
        """Begin a checkout with a price lock, maybe somebody else's or another slot's."""


class PricingVerbs(Protocol):
    """Prices that change and must be rounded. Capability.PRICING."""

    @property
    def repricings(self) -> Sequence[str]:
        """Every way in which this system's prices can change."""

    async def reprice(self, slot: Slot, way: str, price: Money) -> None:
        """Change what the slot costs now in one of `repricings`; quotes already given stay as given.

        Ways that reach further than one slot change the whole of the slot's venue, so open the
        slot with `private_venue`.
        """

    @property
    def roundings(self) -> Sequence[str]:
        """Every rule by which this system rounds to the minor unit."""

    async def open_priced_slot(self, *, price: Money, percent: Decimal, rounding: str) -> Slot:
        """Offer a slot that costs `price` changed by `percent` (-100 ...), rounded by `rounding`.

        `Slot.price` is the price before the change: what it comes to is the system's to say.
        """

    @property
    def price_lock_s(self) -> float:
        """Seconds for which a quoted price is promised."""


class SessionVerbs(Protocol):
    """Capability.SESSIONS."""

    async def log_in(self, who: Customer) -> None:
        """Log in afresh: `who.session` is replaced."""

    async def expire_access(self, who: Customer) -> None:
        """Make the access token of this session expire (by the clock or as the system can)."""

    async def revoke_session(self, who: Customer) -> None:
        """Revoke the session from elsewhere (an operator, another device)."""


class TimeAndJobs(Protocol):
    """Capability.CLOCK and Capability.JOBS."""

    async def advance(self, seconds: float) -> None:
        """Move the one clock of service and provider forward."""

    async def run_job(self, name: str) -> Mapping[str, Any]:
        """Run one background job once and return what it reports."""

    async def settle(self) -> None:
        """Let recovery, expiry, delivery and reconciliation finish, as days of operation would."""

    async def recover(self) -> None:
        """Let recovery, expiry, owed refunds and deliveries finish, *without* reconciliation."""


class WebhookVerbs(Protocol):
    """Capability.WEBHOOKS."""

    async def hold_deliveries(self, held: bool) -> None:
        """Keep the provider from delivering on its own (events still go into its journal)."""

    async def provider_pays(self, checkout: str) -> None:
        """The provider captures a pending (`bank`) payment on its own side."""

    async def provider_refunds(self, charge: str, minor: int) -> None:
        """A refund made at the provider, as by its dashboard; it succeeds at once."""

    async def events(self, charges: Sequence[str]) -> list[ProviderEvent]:
        """The provider's events for some charges, oldest first."""

    async def redeliver(self, event: ProviderEvent) -> None:
        """Have the provider itself deliver once more through `provider->app`, freshly signed."""

    def deliver(self, event: ProviderEvent, *, signature: str = "fresh") -> Action:
        """POST the event to the service: "fresh", "forged" (wrong key), "missing", or "stale" (a
        right signature over a timestamp older than the service's tolerance)."""

    def bad_event(self, charge: str) -> ProviderEvent:
        """A well-formed, correctly signed event which the service cannot process, ever."""


class ReconciliationVerbs(Protocol):
    """Capability.RECONCILIATION."""

    async def plant(self, kind: str) -> Discrepancy:
        """Make the records of provider and service disagree in one way (a kind of DISCREPANCIES).

        A kind that comes in several shapes is planted in each of them in turn.
        """

    async def mend(self, one: Discrepancy) -> None:
        """Settle by hand what reconciliation left to a person, as that person would: the records agree
        again, and no dead letter waits."""

    async def agree(self, n: int) -> None:
        """Add `n` payments on which both sides agree (in bulk, bypassing HTTP)."""

    async def delay_refunds(self, delayed: bool) -> None:
        """Have the provider keep the refunds it is sent from now on pending, or pay them out at once.

        What is pending is paid out by `recover` and `settle`.
        """

    async def reconcile(self) -> ReconciliationReport:
        """Run reconciliation once, to its end; repairs included.

        Raises TargetFailed when the system did not get to the end.
        """

    async def last_reconciliation(self) -> ReconciliationReport: ...


class DurableStateVerbs(Protocol):
    """Capability.DURABLE_STATE."""

    async def state(
        self, *, slots: Sequence[str] | None = None, checkouts: Sequence[str] | None = None
    ) -> DurableState:
        """What database and provider journal hold now, restricted where asked; one snapshot each."""


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment by the system's clock; `offset_s` is how far it was moved ahead of real time."""

    at: datetime
    offset_s: float
