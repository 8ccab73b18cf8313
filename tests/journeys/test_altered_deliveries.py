from __future__ import annotations

import json

from overbooked.journeys.altered_deliveries import CHANGES, altered
from overbooked.targets.adapter import Action, Answer, HttpRequest, Outcome


def delivery(event: str) -> Action:
    body = json.dumps({"id": event, "data": {"amount": 400, "by": "card"}}).encode()
    sent = HttpRequest("POST", "/hooks", [("Signature", f"of {event}")], body)
    return Action("deliver", "provider", sent, lambda _: Answer(Outcome.OK))


def test_each_copy_has_another_body_under_the_same_signature() -> None:
    genuine = delivery("e1")
    copies = altered(genuine, [])
    assert set(copies) == set(CHANGES)
    bodies = [copy.request.body for copy in copies.values()]
    assert len({*bodies, genuine.request.body}) == len(copies) + 1
    assert all(copy.request.headers == genuine.request.headers for copy in copies.values())


def test_the_signature_of_another_event_comes_with_the_body_of_this_one() -> None:
    genuine, other = delivery("e1"), delivery("e2")
    copy = altered(genuine, [other])["the signature of another event (1)"]
    assert copy.request.body == genuine.request.body
    assert copy.request.headers == other.request.headers


def test_a_change_that_changes_nothing_is_no_copy() -> None:
    compact = delivery("e1")
    body = json.dumps(json.loads(compact.request.body), separators=(",", ":")).encode()
    sent = HttpRequest("POST", "/hooks", [("Signature", "of e1")], body)
    assert "the body without spaces" not in altered(Action("deliver", "p", sent, compact.read), [])
