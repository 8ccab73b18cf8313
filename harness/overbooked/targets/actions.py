"""What a client asks of a booking system, and what it learns from the answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from overbooked.targets.cookies import CookieJar
from overbooked.targets.errors import TargetFailed
from overbooked.targets.messages import HttpRequest, HttpResponse

BODY_SHOWN = 200


class Outcome(StrEnum):
    """How an operation ended, as its client knows it."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


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


# Makes the next request of an action from the response before it, or ends the action with an answer.
Next: TypeAlias = Callable[[HttpResponse], "HttpRequest | Answer"]
Exchanges: TypeAlias = Generator[HttpRequest, HttpResponse, Answer]


@dataclass(frozen=True, slots=True)
class Action:
    """What a client means to do: one request, or several in turn, with how to read the last response.

    `verb` is the domain word (`book`, `cancel`, `reschedule`, `resize`, `pay` ...), `who` a short
    name for lanes and timelines, `args` what a history model needs, e.g. `{"slot": id}`.

    Args:
        request: the first request, mostly the only one.
        read: turns the last response into an answer.
        then: where an action takes several requests (a page with a token, then the form): each makes
            the next request from the response before it, or returns an Answer and ends the action.
            A burst releases the last of them together and does the others before.
        cookies: the jar of the client that does it; set by the harness.
    """

    verb: str
    who: str
    request: HttpRequest
    read: Callable[[HttpResponse], Answer]
    args: Mapping[str, Any] = field(default_factory=dict)
    then: Sequence[Next] = ()
    cookies: CookieJar | None = field(default=None, compare=False)

    def exchanges(self) -> Exchanges:
        """The action as a generator: yields requests, is sent their responses, returns the answer.

        Every way of sending drives this one, so that cookies, several requests and the reading of
        answers are the same in all.

        Raises:
            TargetFailed: the adapter cannot read a response below 500.
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
        """What the client learnt from the last response; a 5xx leaves the outcome unknown, whatever
        its body says.

        Raises:
            TargetFailed: the adapter cannot read a response below 500.
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
            raise TargetFailed(
                f"the adapter cannot read the answer to {self.verb} by {self.who}: {error!r} in "
                f"HTTP {response.status} {response.body[:BODY_SHOWN]!r}"
            ) from error


@dataclass(frozen=True, slots=True)
class CheckoutStep:
    """One HTTP request of checkout; `build` makes it from the facts of the steps before it."""

    name: str
    build: Callable[[Mapping[str, Any]], Action]
