"""Deliveries whose signature belongs to another body: changed in each way, or of another event."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from overbooked.targets.adapter import Action


def _encoded_anew(**how: object) -> Callable[[bytes], bytes]:
    return lambda body: json.dumps(json.loads(body), **how).encode()  # type: ignore[arg-type]


def _next_digit(body: bytes) -> bytes:
    """Return the body with its last digit changed."""
    place = max(body.rfind(b"%d" % digit) for digit in range(10))
    digit = (body[place] - ord("0") + 1) % 10
    return body[:place] + b"%d" % digit + body[place + 1 :]


# Changes of a body that leave its signature. Some keep its meaning, which a service that signs parsed content
# would not notice.
CHANGES: Mapping[str, Callable[[bytes], bytes]] = {
    "a space after the body": lambda body: body + b" ",
    "a line break before the body": lambda body: b"\n" + body,
    "the body indented": _encoded_anew(indent=1),
    "the body without spaces": _encoded_anew(separators=(",", ":")),
    "the body with its names sorted": _encoded_anew(sort_keys=True),
    "the body with another field": lambda body: body.rstrip()[:-1] + b', "more": 1}',
    "the body cut off": lambda body: body[:-1],
    "the body twice": lambda body: body + body,
    "no body": lambda _: b"",
    "a digit changed": _next_digit,
}


def altered(delivery: Action, others: Sequence[Action]) -> Mapping[str, Action]:
    """Return false copies of a delivery by what is wrong with them.

    Args:
        delivery: a genuine delivery of one event.
        others: genuine deliveries of other events; each lends its signature.
    """
    body = delivery.request.body
    copies = {
        name: replace(delivery, request=replace(delivery.request, body=change(body)))
        for name, change in CHANGES.items()
        if change(body) != body
    }
    for n, other in enumerate(others, start=1):
        copies[f"the signature of another event ({n})"] = replace(
            other, request=replace(other.request, body=body)
        )
    return copies
