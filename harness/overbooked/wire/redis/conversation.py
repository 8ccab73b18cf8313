"""Follows one connection: which command the next value answers, and what the connection's state is.

Redis answers in order, but not one value to each command: SUBSCRIBE answers once per channel, RESP3
pushes and RESP2 messages answer nothing, CLIENT REPLY silences answers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from overbooked.wire.redis.commands import MESSAGES, MONITOR, REPLICATION, SUBSCRIBING, name_of
from overbooked.wire.redis.resp import Violation, words

_PUSH = ord(">")
_LIST = ord("*")
_ERROR = ord("-")
_SIMPLE = ord("+")


@dataclass(slots=True, eq=False)
class Expected:
    """A command that the server has and whose answer is still to come."""

    args: tuple[bytes, ...]
    name: bytes
    left: int | None = 1  # values still to come; None: known once everything before it is answered
    parts: list[bytes] = field(default_factory=list)  # of its answer, and what came in between

    @property
    def answer(self) -> bytes:
        """All of it, as it is to be written."""
        return b"".join(self.parts)


class Following:
    """The state of one connection, from the commands sent and the values received, each in order.

    `raw` once it is no longer commands and answers; `in_multi` from MULTI's answer to EXEC's or
    DISCARD's; `resp` 2 or 3.
    """

    __slots__ = (
        "_channels",
        "_queued_extra",
        "_replies_off",
        "_skip_next",
        "_subscribed",
        "awaited",
        "in_multi",
        "raw",
        "resp",
    )

    def __init__(self) -> None:
        self.resp = 2
        self.in_multi = False
        self.raw = False
        self.awaited: deque[Expected] = deque()
        self._channels: dict[bytes, set[bytes]] = {b"": set(), b"P": set(), b"S": set()}
        self._subscribed = False
        self._replies_off = False
        self._skip_next = False
        self._queued_extra = 0

    @property
    def silent(self) -> bool:
        """Whether the next command goes unanswered."""
        return self._replies_off or self._skip_next

    def sent(self, args: tuple[bytes, ...]) -> Expected | None:
        """The server was sent this command; None: it will not answer."""
        if not args:
            return None
        name = name_of(args)
        expected = Expected(args, name)
        if name in REPLICATION:
            self.raw = True
            return None
        if name == b"RESET":
            self._replies_off = self._skip_next = False
        elif name == b"CLIENT" and len(args) == 3 and args[1].upper() == b"REPLY" and not self.in_multi:
            return self._replies(expected, args[2].upper())
        elif name in SUBSCRIBING:
            if self.resp == 3 and self.silent:
                self._skip_next = False
                return None  # answers by pushes all the same, which answer nothing
            # UNSUBSCRIBE without names is answered for each channel; SUBSCRIBE without is refused.
            expected.left = len(args) - 1 or (None if name.endswith(b"UNSUBSCRIBE") else 1)
        if self.silent:
            self._skip_next = False
            self._takes_effect(expected, b"+OK\r\n")
            return None
        self.awaited.append(expected)
        return expected

    def _replies(self, expected: Expected, mode: bytes) -> Expected | None:
        if mode == b"OFF":
            self._replies_off = True
            return None
        if mode == b"SKIP":
            self._skip_next = not self._replies_off
            return None
        if mode == b"ON":
            self._replies_off = self._skip_next = False
        elif self.silent:
            self._skip_next = False
            return None
        self.awaited.append(expected)
        return expected

    def skip(self) -> None:
        """A command was refused at the gate that the server would not have answered."""
        self._skip_next = False

    def received(self, value: bytes) -> Expected | None:
        """The server sent this value; returns what it answers, None: a push, which answers nothing.

        The answer is whole when the command's `left` is 0; it is awaited no more then.

        Raises:
            Violation: nobody asked for it.
        """
        kind = value[0]
        head = self.awaited[0] if self.awaited else None
        if (kind == _PUSH or (kind == _LIST and self._subscribed)) and self._pushed(value, head):
            return None
        if head is None:
            if kind == _ERROR:
                return None  # `max number of clients reached`, and the end follows
            raise Violation(f"an answer that nobody asked for: {value[:80]!r}")
        if head.left is None:
            head.left = max(1, len(self._channels[head.name.removesuffix(b"UNSUBSCRIBE")]))
        head.left -= 1
        if head.name not in SUBSCRIBING:
            self._takes_effect(head, value)
        elif kind in (_ERROR, _SIMPLE):  # refused, or queued within MULTI
            if self.in_multi and kind == _SIMPLE:
                self._queued_extra += head.left
            head.left = 0
        else:
            self._note(words(value, 2))
        if not head.left:
            self.awaited.popleft()
        return head

    def _pushed(self, value: bytes, head: Expected | None) -> bool:
        """Whether a value of a push's form answers nothing."""
        if value[0] == _LIST:
            return not MESSAGES.isdisjoint(words(value, 1))
        said = words(value, 2)
        if head is not None and said and said[0].upper() == head.name and head.name in SUBSCRIBING:
            return False
        if head is not None and head.name == b"EXEC" and head.left and head.parts:
            return False  # what a queued SUBSCRIBE answers beyond its place in EXEC's array
        self._note(said)
        return True

    def _note(self, said: list[bytes]) -> None:
        """Keep the channels subscribed to."""
        if len(said) < 2:
            return
        kind, channel = said[0].upper(), said[1]
        if kind not in SUBSCRIBING:
            return
        if kind.endswith(b"UNSUBSCRIBE"):
            self._channels[kind.removesuffix(b"UNSUBSCRIBE")].discard(channel)
        else:
            self._channels[kind.removesuffix(b"SUBSCRIBE")].add(channel)
        self._subscribed = self.resp == 2 and any(self._channels.values())

    def _takes_effect(self, expected: Expected, value: bytes) -> None:
        """The connection's state after this answer."""
        name, kind = expected.name, value[0]
        if name == b"MULTI":
            self.in_multi = self.in_multi or kind != _ERROR
        elif name in (b"EXEC", b"DISCARD"):
            if kind != _ERROR or value.startswith(b"-EXECABORT"):
                self.in_multi = False
            if name == b"EXEC" and kind == _LIST and not value.startswith(b"*-1"):
                # A queued SUBSCRIBE has one place in the array, and answers for each of its channels.
                expected.left = (expected.left or 0) + self._queued_extra
            self._queued_extra = 0
        elif kind == _ERROR or value == b"+QUEUED\r\n":
            return
        elif name == b"HELLO":
            if len(expected.args) > 1:
                self.resp = 3 if expected.args[1] == b"3" else 2
                self._subscribed = self.resp == 2 and any(self._channels.values())
        elif name == b"RESET":
            self.resp = 2
            self.in_multi = self._subscribed = False
            self._queued_extra = 0
            for channels in self._channels.values():
                channels.clear()
        elif name == MONITOR:
            self.raw = True
