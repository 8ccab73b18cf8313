"""What an action does before the request that a burst releases: its earlier requests, one by one."""

from __future__ import annotations

import time
from dataclasses import dataclass

from overbooked.targets.actions import Exchanges
from overbooked.targets.adapter import Action, Answer, HttpRequest, HttpResponse, Send
from overbooked.targets.client import unanswered
from overbooked.targets.cookies import CookieJar, carrying
from overbooked.targets.errors import TargetFailed, TransportFailed


@dataclass(slots=True)
class Approach:
    """An action up to its last request, or to its end where it had one earlier.

    Args:
        request: the one to be released; that of the last step where `answer` is there.
        answer: how the action ended before its last request; None: it has not ended.
    """

    action: Action
    exchanges: Exchanges
    request: HttpRequest
    begun_at: float
    ended_at: float = 0.0
    answer: Answer | None = None

    def concluded(self, response: HttpResponse) -> Answer:
        """The answer that the response to the released request gives.

        Raises:
            TargetFailed: the adapter cannot read it, or wants yet another request.
        """
        try:
            self.exchanges.send(response)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        raise TargetFailed(f"{self.action.verb} by {self.action.who} goes on after its last request")


async def approach(action: Action, send: Send, replica: int) -> Approach:
    """Do all requests of an action but the last.

    Raises:
        TargetFailed: the adapter cannot read a response.
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
            except TransportFailed as error:
                approached.answer = unanswered(error, since=approached.begun_at)
            if approached.answer is not None:
                approached.ended_at = time.monotonic()
                break
    return approached
