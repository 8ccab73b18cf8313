"""The provider's API: one method per call, with bounded time and tries and an idempotency key.

Keys are derived from the subject of the call, so that every process, retry and repair uses the same key for
the same effect, and the provider performs it once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import stamina

from reference_system.booking.payments import intents
from reference_system.booking.payments.intents import Intent, Malformed, ProviderRefund
from reference_system.booking.platform.runtime import Runtime
from reference_system.booking.pricing import money

TRIES = 3
RETRY_FOR_S = 3.5
"""No further try is begun after this; with the time-out of one try on top a call stays below 6 s."""
FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 0.5
PAGE = 500


class ProviderFailed(Exception):
    """Base class: a call to the provider failed."""


class ProviderUnreachable(ProviderFailed):
    """No answer or a 5xx: it is unknown whether the call took effect."""


class ProviderRefused(ProviderFailed):
    """The provider refused; `code` is its reason, `intent` the payment's state if the answer has it."""

    def __init__(self, status: int, code: str, message: str, intent: Intent | None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.intent = intent


class ProviderClient:
    """Client of the provider; its connections are shared by the whole process."""

    def __init__(self, url: str, *, key: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout_s,
            trust_env=False,
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=30),
        )

    async def close(self) -> None:
        await self._http.aclose()

    # -- payments ----------------------------------------------------------------------------------

    async def create_intent(
        self, *, checkout_id: UUID, amount_minor: int, currency: str, method: str, token: str
    ) -> Intent:
        """Authorise a card (captured later, by `capture`) or await a bank transfer.

        A declined card is an intent with the status `declined`.
        """
        body = {
            "amount": money.to_major(amount_minor, currency),
            "currency": currency,
            "method": method,
            "token": token,
            "capture": "automatic" if method == "bank" else "manual",
            "metadata": {"checkout_id": str(checkout_id)},
        }
        try:
            return intents.intent(
                await self._call("POST", "/v1/payment_intents", key=checkout_key(checkout_id), body=body)
            )
        except ProviderRefused as refused:
            if refused.code == "card_declined" and refused.intent is not None:
                return refused.intent
            raise

    async def capture(self, intent_id: str, *, key: str) -> Intent:
        """Capture an authorised intent; one that is captured already is returned unchanged.

        Raises ProviderRefused if it can no longer be captured; `intent` has its state.
        """
        try:
            return intents.intent(
                await self._call("POST", f"/v1/payment_intents/{intent_id}/capture", key=key)
            )
        except ProviderRefused as refused:
            if refused.code == "already_captured" and refused.intent is not None:
                return refused.intent
            raise

    async def cancel(self, intent_id: str) -> Intent:
        """Void an authorisation; an intent that can no longer be voided is returned unchanged."""
        try:
            return intents.intent(
                await self._call("POST", f"/v1/payment_intents/{intent_id}/cancel", key=void_key(intent_id))
            )
        except ProviderRefused as refused:
            if refused.code == "not_cancelable" and refused.intent is not None:
                return refused.intent
            raise

    async def read_intent(self, intent_id: str) -> Intent | None:
        """Return an intent, or None."""
        try:
            return intents.intent(await self._call("GET", f"/v1/payment_intents/{intent_id}"))
        except ProviderRefused as refused:
            if refused.status == httpx.codes.NOT_FOUND:
                return None
            raise

    async def intents_of(self, checkout_id: UUID) -> list[Intent]:
        """Return every intent of a checkout, oldest first."""
        found: list[Intent] = []
        after = ""
        while True:
            page, more = await self.intents_after(after, checkout_id=checkout_id)
            found += page
            if not more:
                return sorted(found, key=lambda intent: (intent.created_at, intent.id))
            after = page[-1].id

    async def intents_after(
        self, after: str, *, checkout_id: UUID | None = None, limit: int = PAGE
    ) -> tuple[list[Intent], bool]:
        """Return a page of intents in byte order of their ids, and whether there are more."""
        query: dict[str, str | int] = {"after": after, "limit": limit}
        if checkout_id is not None:
            query["checkout_id"] = str(checkout_id)
        page = await self._call("GET", "/v1/payment_intents", query=query)
        return [intents.intent(document) for document in _data(page)], page.get("has_more") is True

    # -- refunds -----------------------------------------------------------------------------------

    async def refund(
        self, *, refund_id: UUID, intent_id: str, amount_minor: int, currency: str
    ) -> ProviderRefund:
        """Refund money; once for each `refund_id`.

        Raises ProviderRefused (`amount_too_large`) if less is left of the payment.
        """
        body = {
            "payment_intent": intent_id,
            "amount": money.to_major(amount_minor, currency),
            "metadata": {"refund_id": str(refund_id)},
        }
        return intents.refund(await self._call("POST", "/v1/refunds", key=refund_key(refund_id), body=body))

    async def refunds_of(self, intent_id: str) -> list[ProviderRefund]:
        """Return every refund of an intent, oldest first."""
        page = await self._call("GET", "/v1/refunds", query={"payment_intent": intent_id})
        return [intents.refund(document) for document in _data(page)]

    # -- one call ----------------------------------------------------------------------------------

    async def _call(
        self,
        method: str,
        path: str,
        *,
        key: str | None = None,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> dict[str, Any]:
        """Send a call, and repeat it without an answer; its key makes the repeat idempotent."""
        async for attempt in stamina.retry_context(
            on=ProviderUnreachable,
            attempts=TRIES,
            timeout=RETRY_FOR_S,
            wait_initial=FIRST_WAIT_S,
            wait_max=LONGEST_WAIT_S,
            wait_jitter=FIRST_WAIT_S,
        ):
            with attempt:
                return await self._try(method, path, headers(key), body, query)
        raise AssertionError("a retry context ends by returning or raising")

    async def _try(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: Mapping[str, Any] | None,
        query: Mapping[str, str | int] | None,
    ) -> dict[str, Any]:
        try:
            # httpx bounds each read, but not the whole answer: a trickle of bytes could last for ever.
            async with asyncio.timeout(self._timeout_s):
                response = await self._http.request(method, path, headers=headers, json=body, params=query)
        except (httpx.HTTPError, OSError) as error:
            raise ProviderUnreachable(f"{method} {path}: {type(error).__name__}: {error}") from error
        if response.status_code >= 500 or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise ProviderUnreachable(f"{method} {path}: {response.status_code}")
        try:
            document = response.json()
        except ValueError as error:
            raise ProviderUnreachable(f"{method} {path}: an answer that is no JSON") from error
        if not isinstance(document, dict):
            raise ProviderUnreachable(f"{method} {path}: an answer that is no object")
        if response.status_code >= 400:
            raise _refused(response.status_code, document)
        return document


def of(runtime: Runtime) -> ProviderClient:
    """Return the client of this process."""
    settings = runtime.settings
    return runtime.resource(
        "provider",
        lambda: ProviderClient(
            settings.provider_url, key=settings.provider_key, timeout_s=settings.provider_timeout_s
        ),
        ProviderClient.close,
    )


# -- keys ------------------------------------------------------------------------------------------


def checkout_key(checkout_id: UUID) -> str:
    """Return the key of a payment: one intent per checkout."""
    return f"checkout:{checkout_id}"


def capture_key(checkout_id: UUID) -> str:
    """Return the key of a capture: one per checkout."""
    return f"capture:{checkout_id}"


def recapture_key(intent_id: str) -> str:
    """Return the key of the capture by reconciliation: one per intent."""
    return f"recapture:{intent_id}"


def void_key(intent_id: str) -> str:
    return f"void:{intent_id}"


def refund_key(refund_id: UUID) -> str:
    """Return the key of a refund: one refund at the provider per refund here."""
    return f"refund:{refund_id}"


def headers(key: str | None) -> dict[str, str]:
    """Return the headers of a call besides the bearer key."""
    return {"Idempotency-Key": key} if key is not None else {}


# -- reading answers -------------------------------------------------------------------------------


def _data(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    data = page.get("data")
    if not isinstance(data, list):
        raise Malformed("a page without data")
    return data


def _refused(status: int, document: Mapping[str, Any]) -> ProviderRefused:
    error = document.get("error")
    error = error if isinstance(error, dict) else {}
    embedded = error.get("payment_intent")
    return ProviderRefused(
        status,
        str(error.get("code", "unknown")),
        str(error.get("message", "")),
        intents.intent(embedded) if isinstance(embedded, dict) else None,
    )
