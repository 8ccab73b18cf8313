"""A keeper for live tests: it holds everything, and a test waits for what it wants to see held."""

from __future__ import annotations

import threading

from overbooked.wire.gate.boundary import Held
from tests.wire.sansio import Keeper

DEADLINE_S = 60.0


class Waiting(Keeper):
    """Decides nothing, unless it `delivers`; called in the relay's thread, waited for in the test's."""

    def __init__(self) -> None:
        super().__init__()
        self._news = threading.Condition()

    def asks(self, held: Held) -> None:
        with self._news:
            self.asked.append(held)
            self._news.notify_all()

    def answers(self, held: Held) -> None:
        with self._news:
            self.answered.append(held)
            self._news.notify_all()
        if self.delivers:
            held.deliver()

    def closed(self, link: str, connection: int, held: Held | None) -> None:
        with self._news:
            super().closed(link, connection, held)
            self._news.notify_all()

    def until_asked(self, text: str) -> Held:
        """The first held boundary with this text."""
        return self._until(self.asked, text)

    def until_answered(self, text: str) -> Held:
        """The first with this text whose answer is there."""
        return self._until(self.answered, text)

    def until_closed(self) -> None:
        """A connection that was seen has gone."""
        with self._news:
            assert self._news.wait_for(lambda: self.losses, DEADLINE_S), "no connection has gone"

    def _until(self, among: list[Held], text: str) -> Held:
        with self._news:
            assert self._news.wait_for(
                lambda: any(each.boundary.text == text for each in among), DEADLINE_S
            ), f"{text!r} did not come; {[each.boundary.text for each in among]} did"
            return next(each for each in among if each.boundary.text == text)
