"""What somebody asks of a booking system, and what he learns from its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How an operation ended, as its client knows it."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request to the system under test; `path` starts with a slash."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client learnt.

    `facts` are domain words, e.g. `booking`, `price`, `checkout`; which ones each verb yields is
    said on the adapter's methods. An UNKNOWN answer has `status` None and `problem` says why;
    a 5xx is UNKNOWN too (its effect may have happened) and keeps its status, and so is a refusal
    that only says that another attempt with the same idempotency key is still under way.
    """

    outcome: Outcome
    status: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    latency_s: float = 0.0

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def refused(self) -> bool:
        return self.outcome is Outcome.REFUSED

    @property
    def unknown(self) -> bool:
        return self.outcome is Outcome.UNKNOWN


@dataclass(frozen=True, slots=True)
class Action:
    """One request somebody means to make, with how to read its answer.

    `verb` is the domain word (`book`, `cancel`, `reschedule`, `resize`, `pay` ...), `who` a short
    name for lanes and timelines, `args` what a history model needs, e.g. `{"slot": id}`.
    """

    verb: str
    who: str
    request: HttpRequest
    read: Callable[[HttpResponse], Answer]
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckoutStep:
    """One HTTP request of checkout; `build` makes it from the facts of the steps before it."""

    name: str
    build: Callable[[Mapping[str, Any]], Action]
