"""Webhooks: the provider's events, delivered by the provider or by hand."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from overbooked.targets.adapter import Action, HttpRequest, ProviderEvent
from overbooked.targets.errors import TargetFailed
from reference_system.target.messages import action
from reference_system.target.wiring import Wiring

SIGNATURES = ("fresh", "forged", "missing", "stale")
PAGE = 200


class Events(Wiring):
    """The verbs of Capability.WEBHOOKS."""

    async def hold_deliveries(self, held: bool) -> None:
        """Held: nothing is delivered but what is told to be; events still go into the journal."""
        await self._provider.call("POST", "/_control/deliveries", {"mode": "held" if held else "auto"})

    async def provider_pays(self, checkout: str) -> None:
        """The bank transfer of a checkout arrives."""
        found = await self._provider.call("GET", "/v1/payment_intents", query={"checkout_id": checkout})
        waiting = [intent["id"] for intent in found["data"] if intent["status"] == "processing"]
        if len(waiting) != 1:
            raise TargetFailed(f"checkout {checkout} waits for {len(waiting)} bank transfers, not for one")
        await self._provider.call("POST", f"/_control/intents/{waiting[0]}/settle", {})

    async def provider_refunds(self, charge: str, minor: int) -> None:
        """A refund by the provider's dashboard."""
        amount = await self._major(charge, minor)
        await self._provider.call("POST", f"/_control/intents/{charge}/refund", {"amount": amount})

    async def events(self, charges: Sequence[str]) -> list[ProviderEvent]:
        """The events of some charges, oldest first."""
        found = []
        for charge in charges:
            after, more = "", True
            while more:
                query = {"payment_intent": charge, "limit": str(PAGE)} | ({"after": after} if after else {})
                page = await self._provider.call("GET", "/v1/events", query=query)
                found += page["data"]
                more = bool(page["has_more"])
                after = page["data"][-1]["id"] if page["data"] else ""
        found.sort(key=lambda event: float(event["created"]))
        return [_event(event) for event in found]

    async def redeliver(self, event: ProviderEvent) -> None:
        """The provider delivers once more, freshly signed."""
        await self._provider.call("POST", f"/_control/events/{quote(event.id)}/deliver", {})

    def deliver(self, event: ProviderEvent, *, signature: str = "fresh") -> Action:
        """POST /webhooks/provider, signed as asked.

        Raises:
            ValueError: no such signature.
        """
        body = json.dumps(event.payload).encode()
        headers = {"Content-Type": "application/json"}
        if signature != "missing":
            headers["Provider-Signature"] = self._signature(body, signature)
        sent = HttpRequest("POST", "/webhooks/provider", headers, body)
        return action("deliver", "provider", sent, lambda _: {}, {"event": event.id, "signature": signature})

    def bad_event(self, charge: str) -> ProviderEvent:
        """A refund of far more than was ever captured: no order of events makes it true."""
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
            "created": self._now(),
            "authorized_until": None,
            "metadata": {},
        }
        refund = {
            "id": f"re_bad_{secrets.token_hex(8)}",
            "payment_intent": charge,
            "amount": amount,
            "currency": "EUR",
            "status": "succeeded",
            "created": self._now(),
            "metadata": {},
        }
        payload = {
            "id": id_,
            "type": "refund.succeeded",
            "created": self._now(),
            "data": {"payment_intent": intent, "refund": refund},
        }
        return ProviderEvent(id=id_, type="refund.succeeded", charge=charge, payload=payload)

    def _signature(self, body: bytes, kind: str) -> str:
        if kind not in SIGNATURES:
            raise ValueError(f"a signature is {', '.join(SIGNATURES)}, not {kind!r}")
        secret = self._setting("webhook_secret")
        if kind == "forged":
            secret = hashlib.sha256(secret.encode()).hexdigest()  # a key, but not the key
        at = int(self._now())
        if kind == "stale":
            at -= int(self._times.webhook_tolerance_s) + 60
        mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
        return f"t={at},v1={mac.hexdigest()}"

    async def _major(self, charge: str, minor: int) -> str:
        """Minor units as the provider's API wants them, with as many decimals as the charge has."""
        shown = str((await self._provider.call("GET", f"/v1/payment_intents/{charge}"))["amount"])
        decimals = len(shown.partition(".")[2])
        return format(Decimal(minor).scaleb(-decimals), "f")


def _event(event: Mapping[str, Any]) -> ProviderEvent:
    payload = {name: event[name] for name in ("id", "type", "created", "data")}
    return ProviderEvent(
        id=str(event["id"]),
        type=str(event["type"]),
        charge=str(event["data"]["payment_intent"]["id"]),
        payload=payload,
        acknowledged=bool(event["acknowledged"]),
    )
