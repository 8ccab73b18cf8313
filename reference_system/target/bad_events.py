"""Events that the service can never process, each made from a genuine one."""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from overbooked.capabilities.webhooks import REASONS, BadEvent, ProviderEvent

REFERENCE, CONTENT, AMOUNT, STATE = REASONS

AUTHORIZED, CAPTURED, REFUNDED = "payment.authorized", "payment.captured", "refund.succeeded"
FAILED, REFUND_FAILED = "payment.failed", "refund.failed"
# The provider's state of a payment in an event of each kind.
STATES = {AUTHORIZED: "requires_capture", CAPTURED: "captured", FAILED: "declined"}

INTENT_FIELDS = (
    "id",
    "status",
    "currency",
    "amount",
    "amount_captured",
    "amount_refunded",
    "amount_refund_pending",
    "created",
    "metadata",
)
REFUND_FIELDS = ("id", "payment_intent", "amount", "currency", "status", "metadata")
# Values that no field has; MISSING leaves it out.
MISSING = object()
WRONG_VALUES: Mapping[str, object] = {"missing": MISSING, "null": None, "a list": ["a"]}

Document = dict[str, Any]
Change = Callable[[Document], None]


def bad_events(events: Sequence[ProviderEvent], others: Sequence[ProviderEvent]) -> Iterator[BadEvent]:
    """Yield an event for each reason; `events` have a capture and a refund, `others` a capture."""
    captured = _first(events, CAPTURED)
    refunded = _first(events, REFUNDED)
    other = _first(others, CAPTURED)
    rows = (
        *_references(captured, refunded, other),
        *_amounts(captured, refunded),
        *_states(captured, refunded),
        *_fields(captured, refunded),
    )
    for name, reason, genuine, change in rows:
        yield _made(name, reason, genuine, change)
    # The same fault in another event is another dead letter.
    for name, reason, genuine, change in rows[:: len(rows) // 4]:
        yield _made(f"{name}, again", reason, genuine, change)
    yield from _unreadable(captured)


Row = tuple[str, str, ProviderEvent, Change]


def _references(captured: ProviderEvent, refunded: ProviderEvent, other: ProviderEvent) -> Iterator[Row]:
    theirs = _document(other)["data"]["payment_intent"]
    for genuine in (captured, refunded):
        kind = "refund" if genuine is refunded else "payment"
        yield f"{kind} without a checkout", REFERENCE, genuine, _set("payment_intent", metadata={})
        yield (
            f"{kind} of an unknown checkout",
            REFERENCE,
            genuine,
            _set("payment_intent", metadata={"checkout_id": str(uuid4())}),
        )
        yield (
            f"{kind} of another payment's checkout",
            REFERENCE,
            genuine,
            _set("payment_intent", metadata=theirs["metadata"]),
        )
    yield (
        "payment of a checkout that is no id",
        REFERENCE,
        captured,
        _set("payment_intent", metadata={"checkout_id": "first"}),
    )
    yield (
        "refund of another payment",
        REFERENCE,
        refunded,
        _set("refund", payment_intent=theirs["id"]),
    )


def _amounts(captured: ProviderEvent, refunded: ProviderEvent) -> Iterator[Row]:
    price = _document(captured)["data"]["payment_intent"]["amount"]
    for name, amount in {
        "far above the charge": "99999999",
        "just above the charge": _plus(price, 1),
        "of zero": "0.00",
        "below zero": "-4.00",
        "with too many decimals": "4.005",
        "that is no number": "much",
        "that is infinite": "Infinity",
    }.items():
        yield f"refund {name}", AMOUNT, refunded, _refund_anew(amount=amount)
    yield "refund in another currency", AMOUNT, refunded, _refund_anew(currency="USD")
    yield (
        "refund in a currency without decimals",
        AMOUNT,
        refunded,
        _refund_anew(amount="400", currency="JPY"),
    )
    yield "refund in another currency, like its payment", AMOUNT, refunded, _in_currency("USD")
    yield "refund in no currency", AMOUNT, refunded, _refund_anew(currency="XXX")
    for name, amount in {
        "above the price": _plus(price, 1),
        "below the price": _plus(price, -1),
        "of zero": "0.00",
        "below zero": f"-{price}",
        "that is no number": "all of it",
    }.items():
        yield f"capture {name}", AMOUNT, captured, _set("payment_intent", amount_captured=amount)
    yield "capture in another currency", AMOUNT, captured, _set("payment_intent", currency="USD")
    yield (
        "authorisation above the price",
        AMOUNT,
        captured,
        _as(AUTHORIZED, amount=_plus(price, 100), amount_captured="0.00"),
    )
    yield (
        "authorisation in another currency",
        AMOUNT,
        captured,
        _as(AUTHORIZED, currency="USD", amount_captured="0.00"),
    )


def _states(captured: ProviderEvent, refunded: ProviderEvent) -> Iterator[Row]:
    for kind, state in (
        (CAPTURED, "requires_capture"),
        (CAPTURED, "processing"),
        (CAPTURED, "declined"),
        (CAPTURED, "canceled"),
        (AUTHORIZED, "declined"),
        (FAILED, "captured"),
    ):
        yield f"{kind} of a payment that is {state}", STATE, captured, _as(kind, status=state)
    for state in ("pending", "failed", "unheard of"):
        yield f"success of a refund that is {state}", STATE, refunded, _refund_anew(status=state)
    yield (
        "refund of a payment that was not captured",
        STATE,
        refunded,
        _set("payment_intent", status="requires_capture", amount_captured="0.00"),
    )
    for kind in ("payment.disputed", "payout.paid", "PAYMENT.CAPTURED", " payment.captured"):
        yield f"an event of the kind {kind!r}", CONTENT, captured, _kind(kind)


def _fields(captured: ProviderEvent, refunded: ProviderEvent) -> Iterator[Row]:
    for name, value in WRONG_VALUES.items():
        for field in INTENT_FIELDS:
            yield (
                f"{field} of the payment {name}",
                CONTENT,
                captured,
                _set("payment_intent", **{field: value}),
            )
        for field in REFUND_FIELDS:
            yield f"{field} of the refund {name}", CONTENT, refunded, _set("refund", **{field: value})
    for name, value in {**WRONG_VALUES, "a text": "pi_1"}.items():
        yield f"the payment {name}", CONTENT, captured, _put("data", "payment_intent", value)
        yield f"the refund {name}", CONTENT, refunded, _put("data", "refund", value)
    for name, value in {"missing": MISSING, "null": None, "a list": [], "a text": "all"}.items():
        yield f"data {name}", CONTENT, captured, _top("data", value)
    for name, value in {"missing": MISSING, "null": None, "empty": "", "a number": 7}.items():
        yield f"type {name}", CONTENT, captured, _top("type", value)
    yield "a text with a NUL", CONTENT, captured, _set("payment_intent", id="pi_\0")
    yield "half a surrogate pair", CONTENT, captured, _set("payment_intent", status="\ud800")


def _unreadable(captured: ProviderEvent) -> Iterator[BadEvent]:
    """Yield bodies without a usable id: each is different, so each is an event of its own."""

    def of(name: str, body: bytes) -> BadEvent:
        return BadEvent(name, CONTENT, ProviderEvent("", "unreadable", captured.charge, body))

    salt = secrets.token_hex(8)
    document = _document(captured)
    yield of("no JSON", f"event {salt}".encode())
    yield of("JSON that is cut off", json.dumps({**document, "salt": salt}).encode()[:-20])
    yield of("a list", json.dumps([salt]).encode())
    yield of("a text", json.dumps(salt).encode())
    yield of("no UTF-8", b"\xff\xfe" + salt.encode())
    yield of("nested too deeply", salt.encode().join([b"[" * 60_000, b"]" * 60_000]))
    for name, value in {
        "missing": MISSING,
        "null": None,
        "empty": "",
        "a number": 7,
        "of thousands of characters": f"evt_{salt * 300}",
        "with a NUL": f"evt_{salt}\0",
    }.items():
        spoiled = _document(captured) | {"salt": salt}
        _top("id", value)(spoiled)
        yield of(f"an id {name}", json.dumps(spoiled).encode())


# -- changes ---------------------------------------------------------------------------------------


def _set(part: str, **values: object) -> Change:
    """Set fields of the payment's or the refund's document."""

    def change(document: Document) -> None:
        for name, value in values.items():
            _assign(document["data"][part], name, value)

    return change


def _put(part: str, name: str, value: object) -> Change:
    return lambda document: _assign(document[part], name, value)


def _top(name: str, value: object) -> Change:
    return lambda document: _assign(document, name, value)


def _kind(kind: str) -> Change:
    return _top("type", kind)


def _as(kind: str, **values: object) -> Change:
    """Make it an event of another kind, with the state of the payment that fits unless given."""

    def change(document: Document) -> None:
        _kind(kind)(document)
        _set("payment_intent", **{"status": STATES[kind], **values})(document)

    return change


def _refund_anew(**values: object) -> Change:
    """Set fields of the refund, which gets a new id: a known refund could be skipped."""

    def change(document: Document) -> None:
        _set("refund", id=f"re_bad_{secrets.token_hex(8)}", **values)(document)

    return change


def _in_currency(currency: str) -> Change:
    def change(document: Document) -> None:
        _refund_anew(currency=currency)(document)
        _set("payment_intent", currency=currency)(document)

    return change


def _assign(target: Document, name: str, value: object) -> None:
    if value is MISSING:
        target.pop(name)
    else:
        target[name] = value


def _plus(amount: str, cents: int) -> str:
    return f"{(round(float(amount) * 100) + cents) / 100:.2f}"


def _first(events: Sequence[ProviderEvent], kind: str) -> ProviderEvent:
    return next(event for event in events if event.type == kind)


def _document(event: ProviderEvent) -> Document:
    assert not isinstance(event.payload, bytes)
    return copy.deepcopy(dict(event.payload))


def _made(name: str, reason: str, genuine: ProviderEvent, change: Change) -> BadEvent:
    document = _document(genuine) | {"id": f"evt_bad_{secrets.token_hex(8)}"}
    change(document)
    event = ProviderEvent(document["id"], str(document.get("type")), genuine.charge, document)
    return BadEvent(name, reason, event)
