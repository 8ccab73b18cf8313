"""Webhooks: the provider's events, delivered by the provider or by the harness."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

import asyncpg

from overbooked.capabilities.webhooks import (
    DEAD_LETTERS,
    FAILS,
    FAILS_REFUND,
    FAILS_TO_PAY_OUT,
    OBSTRUCTION,
    PAYS,
    PAYS_OUT,
    REFUNDS,
    WEBHOOKS,
    BadEvent,
    DeadLetter,
    ProviderEvent,
)
from overbooked.targets.adapter import Action, HttpRequest
from overbooked.targets.errors import TargetError
from reference_system.target import bad_events, signatures
from reference_system.target.connections import Connections
from reference_system.target.parts import RecordQuery, offers
from reference_system.target.requests import action

SIGNATURES = {**signatures.GENUINE, **signatures.FALSE, **signatures.SEVERAL}
# Deliveries without the header, with an empty one, and with two of which one is valid.
WITHOUT = ("missing", "empty", "twice, the first valid", "twice, the last valid")
PAGE = 200
HOUR_S = 3_600.0
BOOKING = "SELECT id FROM bookings WHERE checkout_id = $1 AND status = 'confirmed'"
LEFT_PAYING = """
UPDATE checkouts SET state = 'paying', pay_key = 'left', method = 'card', lease_until = $2 WHERE id = $1
RETURNING amount_minor, currency
"""
DOES = {
    "card": (REFUNDS, FAILS_REFUND, PAYS_OUT, FAILS_TO_PAY_OUT),
    "declined card": (),
    "interrupted card": (PAYS, REFUNDS, FAILS_REFUND),
    "bank": (PAYS, FAILS, REFUNDS, FAILS_REFUND),
}

DEAD_LETTER_ROWS = """
SELECT id, source, subject, reason FROM dead_letters WHERE resolved_at IS NULL ORDER BY created_at, id
"""


def _letter(row: asyncpg.Record) -> DeadLetter:
    return DeadLetter(id=str(row["id"]), source=row["source"], subject=row["subject"], reason=row["reason"])


@offers(WEBHOOKS, records=[RecordQuery(DEAD_LETTERS, DEAD_LETTER_ROWS, _letter)])
class Webhooks:
    """Deliveries by the provider or the harness, and payments and refunds made at the provider."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def hold_deliveries(self, held: bool) -> None:
        """Set whether the provider delivers only on request; its journal records events either way."""
        await self._connections.payments.call(
            "POST", "/_control/deliveries", {"mode": "held" if held else "auto"}
        )

    def provider_does(self) -> Mapping[str, Sequence[str]]:
        """Cards are captured by the service; a bank transfer arrives or fails later."""
        return DOES

    async def provider_pays(self, checkout: str) -> None:
        """Settle the bank transfer of a checkout."""
        await self._settle(checkout, paid=True)

    async def provider_fails(self, checkout: str) -> None:
        """Make the bank transfer of a checkout fail."""
        await self._settle(checkout, paid=False)

    async def _settle(self, checkout: str, *, paid: bool) -> None:
        found = await self._connections.payments.call(
            "GET", "/v1/payment_intents", query={"checkout_id": checkout}
        )
        if not found["data"]:
            await self._pay_unheard(checkout)
            return
        waiting = [intent["id"] for intent in found["data"] if intent["status"] == "processing"]
        if not waiting:
            raise TargetError(f"checkout {checkout} has no pending bank transfer")
        for intent in waiting:  # several, if the service has asked for the money more than once
            await self._connections.payments.call(
                "POST", f"/_control/intents/{intent}/settle", {"paid": paid}
            )

    async def _pay_unheard(self, checkout: str) -> None:
        """Leave the checkout as a process does that dies while it pays, and make the calls it would make."""
        amount, currency = await self._leave_paying(checkout)
        body = {
            "amount": amount,
            "currency": currency,
            "method": "card",
            "token": "tok_visa",
            "capture": "manual",
            "metadata": {"checkout_id": checkout},
        }
        intent = await self._connections.payments.call(
            "POST", "/v1/payment_intents", body, key=f"checkout:{checkout}"
        )
        await self._connections.payments.call(
            "POST", f"/v1/payment_intents/{intent['id']}/capture", {}, key=f"capture:{checkout}"
        )

    async def _leave_paying(self, checkout: str) -> tuple[str, str]:
        """Return the checkout's amount, in the provider's notation, and its currency."""
        async with self._connections.admin.transaction() as database:
            row = await database.fetchrow(LEFT_PAYING, UUID(checkout), self._connections.moment(-HOUR_S))
        if row is None:
            raise TargetError(f"there is no checkout {checkout}")
        return f"{Decimal(row['amount_minor']).scaleb(-2):.2f}", row["currency"]

    async def provider_refunds(self, charge: str, minor: int) -> None:
        """Refund a charge as by the provider's dashboard."""
        await self._refund(charge, minor, succeeded=True)

    async def provider_fails_refund(self, charge: str, minor: int) -> None:
        """Begin a refund as by the provider's dashboard, and let it fail."""
        await self._refund(charge, minor, succeeded=False)

    async def service_refunds(self, checkout: str) -> None:
        """Cancel the booking as the operator and send the refund that is owed."""
        await self._connections.payments.call("POST", "/_control/refunds/mode", {"mode": "pending"})
        try:
            async with self._connections.observer.transaction(readonly=True) as database:
                booking = await database.fetchval(BOOKING, UUID(checkout))
            await self._connections.as_operator("POST", f"/bookings/{booking}/cancel")
            await self._connections.app.call("POST", "/_control/jobs/send_outbox")
        finally:
            await self._connections.payments.call("POST", "/_control/refunds/mode", {"mode": "instant"})

    async def provider_settles_refunds(self, charge: str, succeeded: bool) -> None:
        """Pay out or fail the pending refunds of an intent."""
        await self._connections.payments.call(
            "POST", f"/_control/intents/{charge}/refunds/settle", {"succeeded": succeeded}
        )

    async def _refund(self, charge: str, minor: int, *, succeeded: bool) -> None:
        body = {"amount": await self._major(charge, minor), "succeeded": succeeded}
        await self._connections.payments.call("POST", f"/_control/intents/{charge}/refund", body)

    async def events(self, charges: Sequence[str]) -> list[ProviderEvent]:
        """Return the events of some charges, oldest first."""
        found = []
        for charge in charges:
            after, more = "", True
            while more:
                query = {"payment_intent": charge, "limit": str(PAGE)} | ({"after": after} if after else {})
                page = await self._connections.payments.call("GET", "/v1/events", query=query)
                found += page["data"]
                more = bool(page["has_more"])
                after = page["data"][-1]["id"] if page["data"] else ""
        found.sort(key=lambda event: float(event["created"]))
        return [_event(event) for event in found]

    async def redeliver(self, event: ProviderEvent) -> None:
        """Make the provider deliver the event again, with a new signature."""
        await self._connections.payments.call("POST", f"/_control/events/{quote(event.id)}/deliver", {})

    def genuine_signatures(self) -> Sequence[str]:
        """The entries of the table of genuine signatures. The service takes one signature, never several."""
        return tuple(signatures.GENUINE)

    def false_signatures(self) -> Sequence[str]:
        """The entries of the other tables, and deliveries without the header or with two."""
        return (*signatures.FALSE, *signatures.SEVERAL, *WITHOUT)

    def deliver(self, event: ProviderEvent, *, signature: str = "fresh") -> Action:
        """Return an action that POSTs the event to /webhooks/provider with the given signature.

        Raises:
            ValueError: no such signature.
        """
        body = event.payload
        if not isinstance(body, bytes):
            body = json.dumps(body, indent=2 if "spaced" in signature else None).encode()
        headers = [("Content-Type", "application/json"), *self._signature(body, signature)]
        sent = HttpRequest("POST", "/webhooks/provider", headers, body)
        return action("deliver", "provider", sent, lambda _: {}, {"event": event.id, "signature": signature})

    def bad_event(self, charge: str) -> ProviderEvent:
        """Return an event of a refund far above the captured amount, impossible in every order of events."""
        id_ = f"evt_bad_{secrets.token_hex(8)}"
        amount = "99999999"
        intent = {
            "id": charge,
            "status": "captured",
            "method": "card",
            "currency": "EUR",
            "amount": "1.00",
            "amount_captured": "1.00",
            "amount_refunded": amount,
            "amount_refund_pending": "0.00",
            "captures": 1,
            "created": self._connections.now(),
            "authorized_until": None,
            "metadata": {},
        }
        refund = {
            "id": f"re_bad_{secrets.token_hex(8)}",
            "payment_intent": charge,
            "amount": amount,
            "currency": "EUR",
            "status": "succeeded",
            "created": self._connections.now(),
            "metadata": {},
        }
        payload = {
            "id": id_,
            "type": "refund.succeeded",
            "created": self._connections.now(),
            "data": {"payment_intent": intent, "refund": refund},
        }
        return ProviderEvent(id=id_, type="refund.succeeded", charge=charge, payload=payload)

    def bad_events(
        self, events: Sequence[ProviderEvent], others: Sequence[ProviderEvent]
    ) -> Sequence[BadEvent]:
        """Return one event for each entry of the tables in `bad_events`."""
        return list(bad_events.bad_events(events, others))

    async def read_dead_letters(self) -> Sequence[DeadLetter]:
        """Read every page of GET /dead-letters as the operator."""
        found: list[DeadLetter] = []
        while True:
            after = f"&after={found[-1].id}" if found else ""
            page = await self._connections.as_operator("GET", f"/dead-letters?limit={PAGE}{after}")
            found += [DeadLetter(one["id"], one["source"], one["subject"], one["reason"]) for one in page]
            if len(page) < PAGE:
                return found

    def _signature(self, body: bytes, kind: str) -> Sequence[tuple[str, str]]:
        """Return the signature headers of a kind."""
        signing = signatures.Signing(
            body,
            secret=self._connections.setting("webhook_secret"),
            now=int(self._connections.now()),
            tolerance_s=int(self._connections.times.webhook_tolerance_s),
        )
        false = signatures.FALSE["forged"](signing)
        match kind:
            case "missing":
                headers: list[str] = []
            case "empty":
                headers = [""]
            case "twice, the first valid":
                headers = [signing.good, false]
            case "twice, the last valid":
                headers = [false, signing.good]
            case _ if kind in SIGNATURES:
                headers = [SIGNATURES[kind](signing)]
            case _:
                raise ValueError(f"a signature is {', '.join((*SIGNATURES, *WITHOUT))}, not {kind!r}")
        return [(signatures.HEADER, header) for header in headers]

    async def _major(self, charge: str, minor: int) -> str:
        """Convert minor units to the provider's notation, with the decimals of the charge's currency."""
        shown = str((await self._connections.payments.call("GET", f"/v1/payment_intents/{charge}"))["amount"])
        decimals = len(shown.partition(".")[2])
        return format(Decimal(minor).scaleb(-decimals), "f")


OBSTRUCT = """
CREATE OR REPLACE FUNCTION public.obstruct_webhook_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'event % cannot be marked as done', NEW.event_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'obstructed', TABLE = 'webhook_events';
END $$;
DROP TRIGGER IF EXISTS obstruct_webhook_events ON webhook_events;
CREATE TRIGGER obstruct_webhook_events BEFORE UPDATE ON webhook_events
    FOR EACH ROW WHEN (NEW.state = 'done' AND NEW.intent_id IN ({charges}))
    EXECUTE FUNCTION public.obstruct_webhook_events();
"""
CLEAR = "DROP TRIGGER IF EXISTS obstruct_webhook_events ON webhook_events"


@offers(OBSTRUCTION)
class Obstruction:
    """A trigger, as of a faulty migration, that refuses to mark events as done."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def obstruct(self, charges: Sequence[str], obstructed: bool) -> None:
        """Create the trigger for the events of some intents, or drop it."""
        names = ", ".join(f"'{charge}'" for charge in charges)
        async with self._connections.admin.transaction() as database:
            await database.execute(OBSTRUCT.format(charges=names) if obstructed else CLEAR)


def _event(event: Mapping[str, Any]) -> ProviderEvent:
    payload = {name: event[name] for name in ("id", "type", "created", "data")}
    return ProviderEvent(
        id=str(event["id"]),
        type=str(event["type"]),
        charge=str(event["data"]["payment_intent"]["id"]),
        payload=payload,
        acknowledged=bool(event["acknowledged"]),
    )
