"""The port to a booking system: what an adapter must say, in no system's own vocabulary.

An adapter is mostly *pure*: it turns a domain verb into an HTTP request and a response back into
an `Answer`. Sending is the harness's business, so the same action can be sent by a patient client,
fired in a burst with its last byte held back, or scheduled statement by statement.

What a system cannot do it does not list in `capabilities`; scenarios that need it are NOT COVERED.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable


class Outcome(StrEnum):
    """How an operation ended, as its client knows it."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request to the system under test; `path` starts with a slash."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client learnt.

    `facts` are domain words, e.g. `booking`, `price`, `checkout`; which ones each verb yields is
    said on the adapter's methods. An UNKNOWN answer has `status` None and `problem` says why;
    a 5xx is UNKNOWN too (its effect may have happened) and keeps its status, and so is a refusal
    that only says that another attempt with the same idempotency key is still under way.
    """

    outcome: Outcome
    status: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    latency_s: float = 0.0

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def refused(self) -> bool:
        return self.outcome is Outcome.REFUSED

    @property
    def unknown(self) -> bool:
        return self.outcome is Outcome.UNKNOWN


@dataclass(frozen=True, slots=True)
class Action:
    """One request somebody means to make, with how to read its answer.

    `verb` is the domain word (`book`, `cancel`, `reschedule`, `resize`, `pay` ...), `who` a short
    name for lanes and timelines, `args` what a history model needs, e.g. `{"slot": id}`.
    """

    verb: str
    who: str
    request: HttpRequest
    read: Callable[[HttpResponse], Answer]
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of a currency (ISO 4217)."""

    minor: int
    currency: str = "EUR"


@dataclass(frozen=True, slots=True)
class Slot:
    """A bookable slot as the adapter opened it."""

    id: str
    capacity: int
    price: Money


@dataclass(slots=True)
class Customer:
    """A person with an account and, most of the time, a session.

    `session` is the adapter's own (tokens ...); nobody else looks into it. `nick` is the short name
    for `Action.who`; the harness sets it once the adapter has made the customer.
    """

    name: str
    email: str
    id: str = ""
    session: Any = None
    nick: str = ""

    @property
    def lane(self) -> str:
        """What timelines call him."""
        return self.nick or self.name


@dataclass(frozen=True, slots=True)
class CheckoutStep:
    """One HTTP request of checkout; `build` makes it from the facts of the steps before it."""

    name: str
    build: Callable[[Mapping[str, Any]], Action]


# -- durable state, as a database and a provider's journal show it ------------------------------


@dataclass(frozen=True, slots=True)
class BookingRow:
    id: str
    slot: str
    customer: str
    status: str  # "confirmed" | "cancelled"
    checkout: str | None = None  # set when it was paid for through checkout


@dataclass(frozen=True, slots=True)
class HoldRow:
    id: str
    slot: str
    checkout: str | None
    live: bool


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """One payment at the provider: amounts in minor units; `checkout` as its metadata says."""

    id: str
    checkout: str | None
    currency: str
    captured_minor: int
    refunded_minor: int
    refund_pending_minor: int = 0
    captures: int = 0

    @property
    def net_minor(self) -> int:
        return self.captured_minor - self.refunded_minor - self.refund_pending_minor


# The states of a payment in their order: it may stay or go on, never back. A "failed" one may still
# be captured (the failure was told late); "voided" ends it, also one recorded as captured that the
# provider never captured: its captured amount is written off then.
PAYMENT_STATES: tuple[str, ...] = (
    "created",
    "authorized",
    "failed",
    "captured",
    "partially_refunded",
    "refunded",
    "voided",
)


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """One payment as the service records it; `state` is one of PAYMENT_STATES."""

    id: str
    charge: str | None
    checkout: str | None
    state: str
    currency: str
    captured_minor: int
    refunded_minor: int


@dataclass(frozen=True, slots=True)
class LedgerTransaction:
    """One ledger transaction: `kind` is "capture" or "refund"; `entries` are signed minor units."""

    id: str
    kind: str
    checkout: str | None
    charge: str | None
    entries: tuple[tuple[str, int], ...]
    # A surplus transaction stays in the books, and so does the one that reverses it.
    reverses: str | None = None
    reversed_by: str | None = None

    @property
    def balanced(self) -> bool:
        return len(self.entries) >= 2 and sum(minor for _, minor in self.entries) == 0

    @property
    def amount_minor(self) -> int:
        return sum(minor for _, minor in self.entries if minor > 0)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    id: str
    source: str  # "webhook" | "reconciliation" | ...
    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class DurableState:
    """Everything that outlives the processes, restricted to some slots or checkouts."""

    bookings: tuple[BookingRow, ...] = ()
    holds: tuple[HoldRow, ...] = ()
    charges: tuple[ChargeRow, ...] = ()
    payments: tuple[PaymentRow, ...] = ()
    ledger: tuple[LedgerTransaction, ...] = ()
    dead_letters: tuple[DeadLetter, ...] = ()


# -- webhooks -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One event of the payment provider, as its journal has it."""

    id: str
    type: str
    charge: str
    payload: Mapping[str, Any]
    acknowledged: bool = False


# -- reconciliation -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A difference planted between the provider's records and the service's.

    `kind` is one of `DISCREPANCIES`; `subject` is what a report must name to have found it.
    `facts` are for the oracle: `slot`, the id of a slot with one place on which nothing else is
    going on; `price_minor`; `checkout`, where there is one; `surplus`, the later of two charges.
    """

    kind: str
    subject: str
    facts: Mapping[str, Any] = field(default_factory=dict)


DISCREPANCIES: tuple[str, ...] = (
    "captured there, unknown here",
    "captured there, unknown here, place taken",
    "booked here, not captured there",
    "booked here, authorisation lapsed",
    "refunded there only",
    "refunded here only",
    "amount differs",
    "captured twice there",
    "recorded twice here",
    "ledger pair missing",
    "hold orphaned",
)


@dataclass(frozen=True, slots=True)
class ReconciliationReport:
    """What one reconciliation run said: `(subject, kind)` of each difference and what was done."""

    run: str
    differences: tuple[tuple[str, str], ...]
    repairs: tuple[tuple[str, str], ...] = ()
    examined: int = 0


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
    """What every target must offer. Further groups of verbs are protocols of their own below."""

    capabilities: frozenset[Capability]

    async def connect(self, surroundings: Surroundings) -> None:
        """Open what the adapter needs; called once per start of the system."""

    async def close(self) -> None:
        """Let go of everything `connect` opened."""

    async def open_slot(self, *, capacity: int, price: Money, private_venue: bool = False) -> Slot:
        """Offer a new slot in the future, overlapping no other."""

    async def customers(self, names: Sequence[tuple[str, str]]) -> list[Customer]:
        """Register and log in one customer per (name, email)."""


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
