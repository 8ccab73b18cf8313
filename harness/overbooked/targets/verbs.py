"""The adapter's other verbs, each behind the capability that promises it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

from overbooked.errors import NotSupported
from overbooked.targets.adapter import (
    Action,
    Adapter,
    BookingVerbs,
    Capability,
    Discrepancy,
    DurableState,
    DurableStateVerbs,
    Money,
    PricingVerbs,
    ProviderEvent,
    ReconciliationReport,
    ReconciliationVerbs,
    ResizingVerbs,
    SessionVerbs,
    Slot,
    TimeAndJobs,
    WebhookVerbs,
)
from overbooked.targets.claims import require
from overbooked.targets.client import Client
from overbooked.targets.cookies import carrying
from overbooked.targets.person import Person, Products


class Verbs:
    """What can be asked of a system beyond its customers' own doing.

    Every verb raises NotSupported when the adapter does not claim the capability it belongs to, and
    TargetFailed when the adapter could not do it.
    """

    adapter: Adapter
    # Jobs of the system that were run to their end: they are no requests of customers, and in no history.
    jobs_done: int = 0
    client: Client
    products: Products

    def needs(self, *capabilities: Capability) -> None:
        """Raise NotSupported, naming what is missing, unless the target can do all of this."""
        require(self.adapter, capabilities)

    def _booking(self) -> BookingVerbs:
        self.needs(Capability.BOOKING)
        return cast("BookingVerbs", self.adapter)

    def _pricing(self) -> PricingVerbs:
        self.needs(Capability.PRICING)
        return cast("PricingVerbs", self.adapter)

    def _sessions(self) -> SessionVerbs:
        self.needs(Capability.SESSIONS)
        return cast("SessionVerbs", self.adapter)

    def _time(self, capability: Capability) -> TimeAndJobs:
        self.needs(capability)
        return cast("TimeAndJobs", self.adapter)

    def _webhooks(self) -> WebhookVerbs:
        self.needs(Capability.WEBHOOKS)
        return cast("WebhookVerbs", self.adapter)

    def _reconciliation(self) -> ReconciliationVerbs:
        self.needs(Capability.RECONCILIATION)
        return cast("ReconciliationVerbs", self.adapter)

    # -- booking and durable state -------------------------------------------------------------

    def resize(self, slot: Slot, capacity: int) -> Action:
        """The operator changes a slot's capacity."""
        self.needs(Capability.RESIZING)
        action = cast("ResizingVerbs", self.adapter).resize(slot, capacity)
        return replace(action, cookies=self.client.cookies)

    async def places(self, slot: Slot) -> tuple[int, int]:
        """(capacity, confirmed bookings) of a slot as the database has them."""
        return await self._booking().places(slot)

    async def state(
        self,
        *,
        slots: Sequence[Slot | str] | None = None,
        checkouts: Sequence[str] | None = None,
    ) -> DurableState:
        """What database and provider journal hold now, restricted where asked."""
        self.needs(Capability.DURABLE_STATE)
        ids = None if slots is None else [slot if isinstance(slot, str) else slot.id for slot in slots]
        found = await cast("DurableStateVerbs", self.adapter).state(slots=ids, checkouts=checkouts)
        return found.by_slots(self.products.owners)

    @property
    def refuses(self) -> bool:
        """Whether callers who come too late are refused; else they get what the first one got."""
        return bool(getattr(self.adapter, "refuses", True))

    def needs_refusals(self) -> None:
        """Raise NotSupported where every caller is told OK, and a clause is about those who are not."""
        if not self.refuses:
            raise NotSupported("needs refusals, and this system tells every caller OK")

    async def seen_state(self, *, slots: Sequence[Slot | str]) -> DurableState | None:
        """As `state`, None where the target cannot say what it keeps.

        For clauses that answers alone decide and durable state backs up.
        """
        if Capability.DURABLE_STATE not in self.adapter.capabilities:
            return None
        return await self.state(slots=slots)

    # -- prices --------------------------------------------------------------------------------

    @property
    def repricings(self) -> Sequence[str]:
        """Every way in which the system's prices can change."""
        return self._pricing().repricings

    @property
    def roundings(self) -> Sequence[str]:
        """Every rule by which the system rounds to the minor unit."""
        return self._pricing().roundings

    @property
    def price_lock_s(self) -> float:
        """Seconds for which a quoted price is promised."""
        return self._pricing().price_lock_s

    async def reprice(self, slot: Slot, way: str, price: Money) -> None:
        """Change what the slot costs now in one of `repricings`."""
        await self._pricing().reprice(slot, way, price)

    async def open_priced_slot(self, *, price: Money, percent: Decimal, rounding: str) -> Slot:
        """Offer a slot that costs `price` changed by `percent`, rounded by `rounding`."""
        return await self._pricing().open_priced_slot(price=price, percent=percent, rounding=rounding)

    # -- sessions ------------------------------------------------------------------------------

    async def log_in(self, who: Person) -> None:
        """Log in afresh."""
        with carrying(who.customer.cookies):
            await self._sessions().log_in(who.customer)

    async def expire_access(self, who: Person) -> None:
        """Let the access token of his session expire."""
        await self._sessions().expire_access(who.customer)

    async def revoke_session(self, who: Person) -> None:
        """Revoke his session from elsewhere."""
        await self._sessions().revoke_session(who.customer)

    # -- time and jobs -------------------------------------------------------------------------

    async def advance(self, seconds: float) -> None:
        """Move the one clock of service and provider forward."""
        await self._time(Capability.CLOCK).advance(seconds)

    async def run_job(self, name: str) -> Mapping[str, Any]:
        """Run one background job once and return what it reports."""
        told = await self._time(Capability.JOBS).run_job(name)
        self.jobs_done += 1
        return told

    async def settle(self) -> None:
        """Let recovery, expiry, delivery and reconciliation finish, as days of operation would."""
        await self._time(Capability.JOBS).settle()

    async def recover(self) -> None:
        """Let recovery and expiry finish, without reconciliation."""
        await self._time(Capability.JOBS).recover()

    # -- webhooks ------------------------------------------------------------------------------

    async def hold_deliveries(self, held: bool = True) -> None:
        """Keep the provider from delivering on its own, or let it again."""
        await self._webhooks().hold_deliveries(held)

    async def provider_pays(self, checkout: str) -> None:
        """The provider captures a pending (`bank`) payment on its own side."""
        await self._webhooks().provider_pays(checkout)

    async def provider_refunds(self, charge: str, minor: int) -> None:
        """A refund made at the provider, as by its dashboard."""
        await self._webhooks().provider_refunds(charge, minor)

    async def events(self, charges: Sequence[str]) -> list[ProviderEvent]:
        """The provider's events for some charges, oldest first."""
        return await self._webhooks().events(charges)

    async def redeliver(self, event: ProviderEvent) -> None:
        """Have the provider itself deliver once more, freshly signed."""
        await self._webhooks().redeliver(event)

    def deliver(self, event: ProviderEvent, *, signature: str = "fresh") -> Action:
        """Post the event to the service: signature "fresh", "forged", "missing" or "stale"."""
        return self._webhooks().deliver(event, signature=signature)

    def bad_event(self, charge: str) -> ProviderEvent:
        """A well-formed, correctly signed event that the service cannot process, ever."""
        return self._webhooks().bad_event(charge)

    # -- reconciliation ------------------------------------------------------------------------

    async def plant(self, kind: str) -> Discrepancy:
        """Make the records of provider and service disagree in one way."""
        return await self._reconciliation().plant(kind)

    async def mend(self, one: Discrepancy) -> None:
        """Settle by hand what reconciliation left to a person."""
        await self._reconciliation().mend(one)

    async def agree(self, n: int) -> None:
        """Add `n` payments on which both sides agree."""
        await self._reconciliation().agree(n)

    async def delay_refunds(self, delayed: bool = True) -> None:
        """Have the provider keep refunds pending, or pay them out at once again."""
        await self._reconciliation().delay_refunds(delayed)

    async def reconcile(self) -> ReconciliationReport:
        """Run reconciliation once, to its end; TargetFailed when the system did not get there."""
        report = await self._reconciliation().reconcile()
        self.jobs_done += 1
        return report

    async def last_reconciliation(self) -> ReconciliationReport:
        """What the last reconciliation run said."""
        return await self._reconciliation().last_reconciliation()
