"""The state of one Redis connection, and which command the next value answers.

Redis answers in order, but not with one value per command: SUBSCRIBE is answered once per channel, RESP3
pushes and RESP2 messages answer no command, and CLIENT REPLY suppresses answers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from overbooked.wire.gate.session import ProtocolError
from overbooked.wire.redis.commands import MESSAGES, MONITOR, REPLICATION, SUBSCRIBING, name_of
from overbooked.wire.redis.resp import words

_PUSH = ord(">")
_LIST = ord("*")
_ERROR = ord("-")
_SIMPLE = ord("+")


@dataclass(slots=True, eq=False)
class Expected:
    """A command that was sent and is not completely answered."""

    args: tuple[bytes, ...]
    name: bytes
    left: int | None = 1  # missing values; None: unknown until all earlier commands are answered
    parts: list[bytes] = field(default_factory=list)  # the values of its answer, and pushes between them

    @property
    def answer(self) -> bytes:
        """The answer's bytes, as they are written to the client."""
        return b"".join(self.parts)


class RedisConversation:
    """The state of one connection, from the commands sent and the values received, each in order.

    `raw` is true when the connection no longer consists of commands and answers; `in_multi` is true from the
    answer to MULTI to the answer to EXEC or DISCARD; `resp` is the protocol version, 2 or 3.
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
        """Whether the server will not answer the next command."""
        return self._replies_off or self._skip_next

    def sent(self, args: tuple[bytes, ...]) -> Expected | None:
        """Record a sent command; return the expected answer, None if the server sends none."""
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
                return None  # the server still sends pushes, which count as no answer
            # UNSUBSCRIBE without names is answered once per channel; SUBSCRIBE without names is an error.
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
        """Record that the gate refused a command that the server would not have answered."""
        self._skip_next = False

    def received(self, value: bytes) -> Expected | None:
        """Record a value from the server; return the command that it answers, None for a push.

        The answer is complete when the command's `left` is 0; the command is then no longer awaited.

        Raises:
            ProtocolError: no command awaits an answer.
        """
        kind = value[0]
        head = self.awaited[0] if self.awaited else None
        if (kind == _PUSH or (kind == _LIST and self._subscribed)) and self._pushed(value, head):
            return None
        if head is None:
            if kind == _ERROR:
                return None  # `max number of clients reached`; the server closes the connection after it
            raise ProtocolError(f"an answer without a command: {value[:80]!r}")
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
        """Whether a value that may be a push answers no command; record its effect on subscriptions."""
        if value[0] == _LIST:
            return not MESSAGES.isdisjoint(words(value, 1))
        said = words(value, 2)
        if head is not None and said and said[0].upper() == head.name and head.name in SUBSCRIBING:
            return False
        if head is not None and head.name == b"EXEC" and head.left and head.parts:
            return False  # an answer of a queued SUBSCRIBE in addition to its element of EXEC's array
        self._note(said)
        return True

    def _note(self, said: list[bytes]) -> None:
        """Update the subscribed channels."""
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
        """Update the connection's state after an answer."""
        name, kind = expected.name, value[0]
        if name == b"MULTI":
            self.in_multi = self.in_multi or kind != _ERROR
        elif name in (b"EXEC", b"DISCARD"):
            if kind != _ERROR or value.startswith(b"-EXECABORT"):
                self.in_multi = False
            if name == b"EXEC" and kind == _LIST and not value.startswith(b"*-1"):
                # A queued SUBSCRIBE has one element in the array, but is answered once per channel.
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
