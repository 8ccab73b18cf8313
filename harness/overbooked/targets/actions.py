"""Actions of a client of a booking system, and their answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from overbooked.targets.cookies import CookieJar
from overbooked.targets.errors import TargetError
from overbooked.targets.messages import HttpRequest, HttpResponse

BODY_SHOWN = 200


class Outcome(StrEnum):
    """The outcome of an operation as its client knows it."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of an action.

    `facts` have domain names, e.g. `booking`, `price`, `checkout`; the adapter's methods document the facts
    of each verb. An UNKNOWN answer has `status` None, and `problem` gives the reason. A 5xx is
    UNKNOWN too, since its effect may have happened, and keeps its status; so is a refusal because another
    attempt with the same idempotency key is still running.
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

    @property
    def pending(self) -> bool:
        """Whether it says that the provider reports the payment later."""
        return self.ok and self.facts.get("pending") is True


# Makes the next request of an action from the previous response, or ends the action with an answer.
Next: TypeAlias = Callable[[HttpResponse], "HttpRequest | Answer"]
Exchanges: TypeAlias = Generator[HttpRequest, HttpResponse, Answer]


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a client: one or several successive requests, and the reader of the last response.

    `verb` is the domain verb (`book`, `cancel`, `reschedule`, `resize`, `pay` ...), `who` a short
    name for lanes and timelines, `args` what a history model needs, e.g. `{"slot": id}`.

    Args:
        request: the first request, usually the only one.
        read: converts the last response to the answer.
        then: for an action of several requests (a page with a token, then the form): each makes
            the next request from the previous response, or returns an Answer and ends the action.
            A burst sends the earlier requests first and releases the last ones together.
        cookies: the jar of the client; set by the harness.
    """

    verb: str
    who: str
    request: HttpRequest
    read: Callable[[HttpResponse], Answer]
    args: Mapping[str, Any] = field(default_factory=dict)
    then: Sequence[Next] = ()
    cookies: CookieJar | None = field(default=None, compare=False)

    def exchanges(self) -> Exchanges:
        """The action as a generator: it yields requests, receives their responses and returns the answer.

        Every way of sending drives this generator, so cookies, several requests and the reading of
        answers are handled in one place.

        Raises:
            TargetError: the adapter cannot read a response below 500.
        """
        response = yield from self._exchange(self.request)
        for build in self.then:
            if response.status >= 500:
                break
            following = self._read(build, response)
            if isinstance(following, Answer):
                return following
            response = yield from self._exchange(following)
        return self.understood(response)

    def understood(self, response: HttpResponse) -> Answer:
        """Return the answer in the last response; a 5xx leaves the outcome unknown, regardless of its body.

        Raises:
            TargetError: the adapter cannot read a response below 500.
        """
        if response.status >= 500:
            body = response.body[:BODY_SHOWN].decode("utf-8", "replace")
            problem = f"HTTP {response.status} {body}".strip()
            return Answer(Outcome.UNKNOWN, response.status, problem=problem)
        answer: Answer = self._read(self.read, response)
        return answer

    def _exchange(self, request: HttpRequest) -> Generator[HttpRequest, HttpResponse, HttpResponse]:
        jar = self.cookies
        if jar is None:
            return (yield request)
        response = yield jar.dress(request)
        jar.keep(response, request)
        return response

    def _read(self, read: Next | Callable[[HttpResponse], Answer], response: HttpResponse) -> Any:
        try:
            return read(response)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise TargetError(
                f"the adapter cannot read the answer to {self.verb} by {self.who}: {error!r} in "
                f"HTTP {response.status} {response.body[:BODY_SHOWN]!r}"
            ) from error


@dataclass(frozen=True, slots=True)
class CheckoutStep:
    """One HTTP request of checkout; `build` makes it from the facts of the previous steps."""

    name: str
    build: Callable[[Mapping[str, Any]], Action]
