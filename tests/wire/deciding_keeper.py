"""A keeper for live tests: it holds everything, and tests wait for held boundaries."""

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

    def on_request(self, held: Held) -> None:
        with self._news:
            self.asked.append(held)
            self._news.notify_all()

    def on_reply(self, held: Held) -> None:
        with self._news:
            self.answered.append(held)
            self._news.notify_all()
        if self.delivers:
            held.deliver()

    def on_close(self, link: str, connection: int, held: Held | None) -> None:
        with self._news:
            super().on_close(link, connection, held)
            self._news.notify_all()

    def until_asked(self, text: str) -> Held:
        """Wait for the first held boundary with this text."""
        return self._until(self.asked, text)

    def until_answered(self, text: str) -> Held:
        """Wait for the first boundary with this text that is answered."""
        return self._until(self.answered, text)

    def until_closed(self) -> None:
        """Wait until a known connection has closed."""
        with self._news:
            assert self._news.wait_for(lambda: self.losses, DEADLINE_S), "no connection has gone"

    def _until(self, among: list[Held], text: str) -> Held:
        with self._news:
            assert self._news.wait_for(
                lambda: any(each.boundary.text == text for each in among), DEADLINE_S
            ), f"{text!r} did not come; {[each.boundary.text for each in among]} did"
            return next(each for each in among if each.boundary.text == text)
