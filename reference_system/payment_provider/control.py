"""`/_control`: the control plane for tests; served only if a setting allows it."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from reference_system.payment_provider import accounting, amounts, idempotency, ids, intents, refunds
from reference_system.payment_provider.api import body_of
from reference_system.payment_provider.deliveries import Deliveries
from reference_system.payment_provider.errors import invalid
from reference_system.payment_provider.journal import Journal

INSERT_BULK = """
INSERT INTO intents (id, status, method, amount_minor, currency, captured_minor, captures, created,
    authorized_until, checkout_id, metadata)
VALUES (?, 'captured', 'card', ?, ?, ?, 1, ?, NULL, ?, ?)
"""
INSERT_INTENT = """
INSERT INTO intents (id, status, method, amount_minor, currency, captured_minor, refunded_minor, captures,
    created, authorized_until, checkout_id, metadata)
VALUES (:id, :status, :method, :amount_minor, :currency, :captured_minor, :refunded_minor, :captures,
    :created, :authorized_until, :checkout_id, :metadata)
"""
INSERT_REFUND = """
INSERT INTO refunds (id, payment_intent, amount_minor, status, created, metadata)
VALUES (:id, :payment_intent, :amount_minor, :status, :created, :metadata)
"""
REMOVE = (
    "DELETE FROM refunds WHERE payment_intent = ?",
    "DELETE FROM events WHERE payment_intent = ?",
    "DELETE FROM intents WHERE id = ?",
)
# The fields that a test may patch, with their columns; amounts are decimal strings.
PATCHABLE_AMOUNTS = {
    "amount": "amount_minor",
    "amount_captured": "captured_minor",
    "amount_refunded": "refunded_minor",
}
PATCHABLE = ("status", "authorized_until", "captures", "created")


async def clock(request: Request) -> Response:
    """Read or set how far the provider's clock is ahead of real time."""
    journal = _journal(request)
    if request.method == "POST":
        journal.set("offset_s", repr(float((await body_of(request))["offset_s"])))
        _deliveries(request).wake()
    return JSONResponse({"offset_s": journal.offset_s, "now": journal.now()})


async def deliveries(request: Request) -> Response:
    """`auto`: events are delivered as they come; `held`: only on request."""
    mode = _one_of(await body_of(request), "mode", "auto", "held")
    _journal(request).set("deliveries", mode)
    _deliveries(request).wake()
    return JSONResponse({"mode": mode})


async def run_deliveries(request: Request) -> Response:
    """Attempt every unacknowledged event once, in order; `payment_intents` restricts to some."""
    only = (await body_of(request)).get("payment_intents")
    outcomes = await _deliveries(request).attempt_all(intent_ids=only)
    return JSONResponse({"deliveries": outcomes})


async def deliver_event(request: Request) -> Response:
    """One more fresh delivery of an event, acknowledged or not."""
    return JSONResponse(await _deliveries(request).attempt_one(str(request.path_params["id"])))


async def fabricate_intent(request: Request) -> Response:
    """Fabricate a captured intent without an event. `authorized: true`: not captured."""
    journal, body = _journal(request), await body_of(request)
    currency = str(body.get("currency", "EUR"))
    minor = amounts.to_minor(body.get("amount"), currency)
    now = journal.now()
    captured = not body.get("authorized", False)
    id_ = str(body.get("id") or ids.new_id("pi_", now))
    with journal.transaction():
        intents.insert(
            journal,
            id_=id_,
            status="captured" if captured else "requires_capture",
            method=str(body.get("method", "card")),
            amount_minor=minor,
            currency=currency,
            captured_minor=minor if captured else 0,
            captures=1 if captured else 0,
            created=float(body.get("created", now)),
            authorized_until=None if captured else float(body.get("authorized_until", now + 7 * 86_400)),
            metadata=dict(body.get("metadata", {})),
        )
    return JSONResponse(intents.shown(journal, intents.row(journal, id_)), 201)


async def patch_intent(request: Request) -> Response:
    """Falsify an intent without an event."""
    journal, body = _journal(request), await body_of(request)
    intent = intents.row(journal, str(request.path_params["id"]))
    unknown = body.keys() - PATCHABLE_AMOUNTS.keys() - set(PATCHABLE)
    if unknown or body.get("status", "captured") not in intents.STATUSES:
        raise invalid(f"cannot set {sorted(unknown) or body['status']}")
    values: dict[str, Any] = {name: body[name] for name in PATCHABLE if name in body}
    values |= {
        column: amounts.to_minor(body[name], intent["currency"])
        for name, column in PATCHABLE_AMOUNTS.items()
        if name in body
    }
    if values:
        columns = ", ".join(f"{column} = ?" for column in values)
        journal.db.execute(
            f"UPDATE intents SET {columns} WHERE id = ?",  # noqa: S608 - columns from the lists above
            (*values.values(), intent["id"]),
        )
    return JSONResponse(intents.shown(journal, intents.row(journal, intent["id"])))


async def settle_intent(request: Request) -> Response:
    """The bank transfer arrives; `{"paid": false}`: it fails finally."""
    journal, body = _journal(request), await body_of(request)
    with journal.transaction():
        settled = intents.settle(journal, str(request.path_params["id"]), paid=bool(body.get("paid", True)))
    _deliveries(request).wake()
    return JSONResponse(settled)


async def refund_intent(request: Request) -> Response:
    """A refund made by hand at the provider: it succeeds at once, or with `{"succeeded": false}` fails at
    once. No amount: all that is left."""
    journal, body = _journal(request), await body_of(request)
    intent = intents.row(journal, str(request.path_params["id"]))
    left = intent["captured_minor"] - intent["refunded_minor"] - intent["pending_minor"]
    amount = body.get("amount", amounts.to_major(left, intent["currency"]))
    call = {"payment_intent": intent["id"], "amount": amount, "metadata": body.get("metadata", {})}
    with journal.transaction():
        refund = refunds.create(journal, call, mode="pending")
        refunds.settle(journal, refund["id"], succeeded=bool(body.get("succeeded", True)))
        refund = refunds.shown(refunds.row(journal, refund["id"]))
    _deliveries(request).wake()
    return JSONResponse(refund, 201)


async def bulk(request: Request) -> Response:
    """Many captured intents, `start` to `start + count - 1`, on checkouts that follow from the prefix."""
    journal, body = _journal(request), await body_of(request)
    prefix, start, count = str(body["prefix"]), int(body.get("start", 0)), int(body["count"])
    currency = str(body.get("currency", "EUR"))
    minor = amounts.to_minor(body.get("amount", "19.99"), currency)
    now = journal.now()

    def rows() -> Any:
        for n in range(start, start + count):
            checkout = ids.bulk_checkout_id(prefix, n)
            metadata = f'{{"checkout_id": "{checkout}"}}'
            yield ids.bulk_intent_id(prefix, n), minor, currency, minor, now, checkout, metadata

    with journal.transaction() as db:
        db.executemany(INSERT_BULK, rows())
    return JSONResponse(
        {
            "count": count,
            "first": ids.bulk_intent_id(prefix, start),
            "last": ids.bulk_intent_id(prefix, start + count - 1),
        },
        201,
    )


async def records(request: Request) -> Response:
    """Write intents and refunds as they are given, in minor units, without events; `remove`: remove intents
    with their refunds and events. `captured_under`: the keys under which intents were captured, by intent.
    The provider remembers these calls, and those of refunds with a `refund_id`."""
    journal, body = _journal(request), await body_of(request)
    with journal.transaction() as db:
        for id_ in body.get("remove", ()):
            for statement in REMOVE:
                db.execute(statement, (id_,))
        db.executemany(INSERT_INTENT, [{**one, "metadata": _text(one)} for one in body.get("intents", ())])
        db.executemany(INSERT_REFUND, [{**one, "metadata": _text(one)} for one in body.get("refunds", ())])
        for id_, key in body.get("captured_under", {}).items():
            _remember_capture(journal, id_, key)
        for one in body.get("refunds", ()):
            if "refund_id" in one["metadata"]:
                _remember_refund(journal, one)
    return JSONResponse({"intents": len(body.get("intents", ()))}, 201)


async def refunds_mode(request: Request) -> Response:
    """`instant`: a refund succeeds in its call; `pending`: on request."""
    mode = _one_of(await body_of(request), "mode", "instant", "pending")
    _journal(request).set("refunds", mode)
    return JSONResponse({"mode": mode})


async def settle_refunds_of(request: Request) -> Response:
    """Every pending refund of an intent succeeds, or with `{"succeeded": false}` fails; events are due."""
    journal, body = _journal(request), await body_of(request)
    intent = intents.row(journal, str(request.path_params["id"]))
    with journal.transaction():
        settled = refunds.settle_all(
            journal, succeeded=bool(body.get("succeeded", True)), intent_id=intent["id"]
        )
    _deliveries(request).wake()
    return JSONResponse({"settled": settled})


async def settle_refunds(request: Request) -> Response:
    """Every pending refund succeeds, or with `{"succeeded": false}` fails; their events are due."""
    journal, body = _journal(request), await body_of(request)
    with journal.transaction():
        settled = refunds.settle_all(journal, succeeded=bool(body.get("succeeded", True)))
    _deliveries(request).wake()
    return JSONResponse({"settled": settled})


async def read_journal(request: Request) -> Response:
    """Charges, refunds and calls in minor units: by GET `?checkout_id=`, or POST `checkout_ids`."""
    if request.method == "POST":
        checkouts = (await body_of(request)).get("checkout_ids")
    else:
        checkouts = request.query_params.getlist("checkout_id") or None
    return JSONResponse(accounting.of(_journal(request), checkouts))


ROUTES: list[BaseRoute] = [
    Mount(
        "/_control",
        routes=[
            Route("/clock", clock, methods=["GET", "POST"]),
            Route("/deliveries", deliveries, methods=["POST"]),
            Route("/deliveries/run", run_deliveries, methods=["POST"]),
            Route("/events/{id}/deliver", deliver_event, methods=["POST"]),
            Route("/intents", fabricate_intent, methods=["POST"]),
            Route("/intents/{id}", patch_intent, methods=["PATCH"]),
            Route("/intents/{id}/settle", settle_intent, methods=["POST"]),
            Route("/intents/{id}/refund", refund_intent, methods=["POST"]),
            Route("/intents/{id}/refunds/settle", settle_refunds_of, methods=["POST"]),
            Route("/bulk", bulk, methods=["POST"]),
            Route("/records", records, methods=["POST"]),
            Route("/refunds/mode", refunds_mode, methods=["POST"]),
            Route("/refunds/settle", settle_refunds, methods=["POST"]),
            Route("/journal", read_journal, methods=["GET", "POST"]),
        ],
    )
]


def _one_of(body: dict[str, Any], name: str, *choices: str) -> str:
    if body.get(name) not in choices:
        raise invalid(f"{name} is one of {', '.join(choices)}, not {body.get(name)!r}")
    return str(body[name])


def _remember_capture(journal: Journal, id_: str, key: str) -> None:
    shown = intents.shown(journal, intents.row(journal, id_))
    answer = {**shown, "status": "captured", "amount_captured": shown["amount"], "captures": 1}
    idempotency.answer(journal, key, f"/v1/payment_intents/{id_}/capture", {}, lambda: answer)


def _remember_refund(journal: Journal, one: dict[str, Any]) -> None:
    refund = refunds.shown(refunds.row(journal, one["id"]))
    call = {"payment_intent": one["payment_intent"], "amount": refund["amount"], "metadata": one["metadata"]}
    key = f"refund:{one['metadata']['refund_id']}"
    idempotency.answer(journal, key, "/v1/refunds", call, lambda: refund)


def _text(record: dict[str, Any]) -> str:
    return json.dumps(record.get("metadata", {}))


def _journal(request: Request) -> Journal:
    journal: Journal = request.app.state.journal
    return journal


def _deliveries(request: Request) -> Deliveries:
    delivering: Deliveries = request.app.state.deliveries
    return delivering
