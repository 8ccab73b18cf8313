"""Sends the requests of an action before the one that a burst releases."""

from __future__ import annotations

import time
from dataclasses import dataclass

from overbooked.targets.actions import Exchanges
from overbooked.targets.adapter import Action, Answer, HttpRequest, HttpResponse, Send
from overbooked.targets.client import unknown_answer
from overbooked.targets.cookies import CookieJar, carrying
from overbooked.targets.errors import TargetError, TransportError


@dataclass(slots=True)
class Approach:
    """An action up to its last request, or to its end if it ended earlier.

    Args:
        action: the action.
        exchanges: its generator of requests.
        request: the request to release; if there is an `answer`, the last request that was sent.
        begun_at, ended_at: monotonic times in seconds.
        answer: the answer if the action ended before its last request; None: it has not ended.
    """

    action: Action
    exchanges: Exchanges
    request: HttpRequest
    begun_at: float
    ended_at: float = 0.0
    answer: Answer | None = None

    def concluded(self, response: HttpResponse) -> Answer:
        """Return the answer for the response to the released request.

        Raises:
            TargetError: the adapter cannot read the response, or sends another request.
        """
        try:
            self.exchanges.send(response)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        raise TargetError(f"{self.action.verb} by {self.action.who} goes on after its last request")


async def approach(action: Action, send: Send, replica: int) -> Approach:
    """Send all requests of an action except the last.


    Raises:
        TargetError: the adapter cannot read a response.
    """
    exchanges = action.exchanges()
    approached = Approach(action, exchanges, next(exchanges), time.monotonic())
    with carrying(action.cookies or CookieJar()):
        for _ in action.then:
            try:
                response = await send(approached.request, replica=replica)
                approached.request = exchanges.send(response)
            except StopIteration as end:
                approached.answer = end.value
            except TransportError as error:
                approached.answer = unknown_answer(error, since=approached.begun_at)
            if approached.answer is not None:
                approached.ended_at = time.monotonic()
                break
    return approached
