"""The output to the client: answers are forwarded as they arrive, held, or trickled."""

from __future__ import annotations

from collections.abc import Callable

from overbooked.wire.gate.boundary import Reply
from overbooked.wire.gate.held import trickle
from overbooked.wire.gate.session import Outlet
from overbooked.wire.postgres.conversation import Conversation
from overbooked.wire.postgres.messages import counted_rows


class Answers:
    """The output to one client; bytes after a held answer are written after it, in order.

    Args:
        outlet: writes to the client.
        delivered: called when a complete answer has been written.
    """

    __slots__ = ("_collected", "_delivered", "_hurry", "_kept", "_outlet", "size_bytes")

    def __init__(self, outlet: Outlet, delivered: Callable[[], None]) -> None:
        self._outlet = outlet
        self._delivered = delivered
        self._collected: list[bytes] | None = None
        self._kept: list[bytes] = []
        self._hurry: Callable[[], None] | None = None
        self.size_bytes = 0

    @property
    def waiting(self) -> bool:
        """Whether bytes are collected instead of being written immediately."""
        return self._collected is not None

    @property
    def kept(self) -> bool:
        """Whether the answer to a statement is kept until its commit is answered too."""
        return bool(self._kept)

    def collect(self) -> None:
        """Start collecting bytes."""
        self._collected, self.size_bytes = [], 0

    def put(self, data: bytes | memoryview) -> None:
        """Write or collect bytes for the client."""
        if self._collected is not None:
            self._collected.append(bytes(data))
            self.size_bytes += len(data)
        elif self._kept:
            self._outlet.to_client(b"".join([*self._take_kept(), bytes(data)]))
        else:
            self._outlet.to_client(data)

    def keep(self) -> None:
        """Keep the collected bytes, to be written before the next answer, and stop collecting."""
        self._kept += self._collected or []
        self._collected = None

    def deliver(self, pieces: int = 1, pause_s: float = 0.0) -> None:
        """Write the collected bytes, in `pieces` with pauses of `pause_s` seconds between them."""
        data = b"".join([*self._take_kept(), *(self._collected or [])])
        if pieces == 1:
            self._collected = None
            self._outlet.to_client(data)
            self._delivered()
            return
        self.collect()  # bytes that arrive during the trickle
        hurry = trickle(self._outlet, data, pieces, pause_s, self._trickled)
        if hurry is not None:
            self._hurry = hurry

    def flush(self) -> None:
        """Write everything immediately and stop collecting; `delivered` is called only for a trickle."""
        if self._hurry is not None:
            self._hurry()
        elif self._collected is not None or self._kept:
            data = b"".join([*self._take_kept(), *(self._collected or [])])
            self._collected = None
            self._outlet.to_client(data)

    def _take_kept(self) -> list[bytes]:
        kept, self._kept = self._kept, []
        return kept

    def _trickled(self) -> None:
        self._hurry = None
        data, self._collected = b"".join(self._collected or []), None
        if data:
            self._outlet.to_client(data)
        self._delivered()


def reply_of(state: Conversation, size_bytes: int) -> Reply:
    """Create the reply from the server's messages since the last time that no answer was due."""
    tags = [tag.decode("utf-8", "replace") for tag in state.tags]
    summary = "; ".join(tags) or ("COPY begins" if state.copying_in else "")
    return Reply(
        summary=f"{state.error} {state.error_text}" if state.error else summary,
        error=state.error,
        rows=counted_rows(tags[-1]) if tags and not state.error else None,
        in_transaction=state.in_transaction,
        size_bytes=size_bytes,
    )
