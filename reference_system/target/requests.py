"""Converts requests and answers of the service's HTTP API to the harness's actions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from overbooked.targets.adapter import Account, Action, Answer, HttpRequest, HttpResponse, Money, Outcome

UNDER_WAY = "in-progress"

Facts = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def request(
    method: str, path: str, body: Any = None, *, token: str = "", key: str | None = None
) -> HttpRequest:
    """Return a JSON request, with the access token and the idempotency key if given."""
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
    who: Account | str,
    request: HttpRequest,
    facts: Facts = dict,
    args: Mapping[str, Any] | None = None,
) -> Action:
    """Return an action; `facts` extracts the facts from the JSON of a successful answer."""
    lane = who if isinstance(who, str) else who.lane
    return Action(verb, lane, request, reader(facts), dict(args or {}))


def reader(facts: Facts) -> Callable[[HttpResponse], Answer]:
    """Return a reader of responses below 500: below 400 is OK, others are refused with their problem.

    A refusal because the first request with the key is still running leaves the outcome unknown.
    """

    def read(response: HttpResponse) -> Answer:
        document = json.loads(response.body) if response.body else {}
        if response.status < 400:
            return Answer(Outcome.OK, response.status, facts(document))
        outcome = Outcome.UNKNOWN if slug(document) == UNDER_WAY else Outcome.REFUSED
        return Answer(outcome, response.status, problem_facts(document), slug(document))

    return read


def slug(document: Mapping[str, Any]) -> str:
    """Return the slug of a problem document."""
    return str(document.get("type", "no problem document"))


def problem_facts(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the facts of a refusal: the current price, the checkout that uses the price lock."""
    facts: dict[str, Any] = {}
    if "amount_minor" in document and "currency" in document:
        facts["price"] = price(document)
    if "checkout_id" in document:
        facts["checkout"] = str(document["checkout_id"])
    return facts


def price(document: Mapping[str, Any]) -> Money:
    return Money(int(document["amount_minor"]), str(document["currency"]))
