"""Requests and answers of the service's HTTP API as the harness's actions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from overbooked.targets.adapter import Action, Answer, Customer, HttpRequest, HttpResponse, Money, Outcome

UNDER_WAY = "in-progress"

Facts = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def request(
    method: str, path: str, body: Any = None, *, token: str = "", key: str | None = None
) -> HttpRequest:
    """A JSON request, on behalf of whom the token names, maybe with an idempotency key."""
    headers = {"Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if key is not None:
        headers["Idempotency-Key"] = key
    content = b""
    if body is not None:
        headers["Content-Type"] = "application/json"
        content = json.dumps(body, separators=(",", ":")).encode()
    return HttpRequest(method, path, headers, content)


def action(
    verb: str,
    who: Customer | str,
    request: HttpRequest,
    facts: Facts = dict,
    args: Mapping[str, Any] | None = None,
) -> Action:
    """An action whose answer's facts are made from the JSON of a success."""
    lane = who if isinstance(who, str) else who.lane
    return Action(verb, lane, request, reader(facts), dict(args or {}))


def reader(facts: Facts) -> Callable[[HttpResponse], Answer]:
    """How an answer below 500 is read: 2xx is OK, anything else is refused with its problem.

    That the first request with a key is still running tells its client nothing yet.
    """

    def read(response: HttpResponse) -> Answer:
        document = json.loads(response.body) if response.body else {}
        if response.status < 400:
            return Answer(Outcome.OK, response.status, facts(document))
        outcome = Outcome.UNKNOWN if slug(document) == UNDER_WAY else Outcome.REFUSED
        return Answer(outcome, response.status, problem_facts(document), slug(document))

    return read


def slug(document: Mapping[str, Any]) -> str:
    """The kind of a problem document."""
    return str(document.get("type", "no problem document"))


def problem_facts(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a refusal tells beside its kind: the price that holds now, the checkout that has the lock."""
    facts: dict[str, Any] = {}
    if "amount_minor" in document and "currency" in document:
        facts["price"] = price(document)
    if "checkout_id" in document:
        facts["checkout"] = str(document["checkout_id"])
    return facts


def price(document: Mapping[str, Any]) -> Money:
    return Money(int(document["amount_minor"]), str(document["currency"]))
