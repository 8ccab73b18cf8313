"""Randomly mutated streams of either side: the relay neither raises nor hangs, and leaks nothing.

A connection ends in one of two ways: its bytes are passed on, or it is reset and one line gives the reason.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from overbooked.errors import NotSupported
from overbooked.wire.gate.boundary import FaultKind, WireProtocol
from overbooked.wire.gate.held import HeldBoundary, HoldState
from overbooked.wire.gate.session import Session
from overbooked.wire.link import RelayLink
from overbooked.wire.postgres.session import PostgresSession
from overbooked.wire.protocols import session_for
from overbooked.wire.relay import Relays
from tests.wire.ordering_keeper import OrderingKeeper
from tests.wire.postgres.client import SSL_REQUEST, Exchange
from tests.wire.recorded_talks import pieces, spoiled
from tests.wire.sansio import Keeper, Wires
from tests.wire.watching_keeper import DEADLINE_S, Watching, late

STREAMS = 200
WORKERS = 9
PROTOCOLS = [WireProtocol.POSTGRES, WireProtocol.REDIS, WireProtocol.HTTP]
MODES = ["observed", "at once", "late", "coming and going", "failing", "apart"]
PASSES_ALL = {"observed", "at once", "late", "coming and going"}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PROBE = b"\x7fprobe"


class Play:
    """One mutated conversation through a session without sockets."""

    def __init__(self, protocol: WireProtocol, seed: int) -> None:
        self.chance = Random(f"{protocol} {seed}")
        self.protocol = protocol
        self.mode = MODES[seed % len(MODES)]
        self.talk = spoiled(self.chance, protocol)
        self.keeper = self._keeper()
        self.wires = Wires(link="app->it", keeper=None if self.mode == "observed" else self.keeper)
        session = session_for(protocol, self.wires)
        assert session is not None
        self.session: Session = session
        self.up = pieces(self.chance, b"".join(one.asks for one in self.talk))
        self.down = [pieces(self.chance, one.answers) for one in self.talk]
        self.asked_by = [sum(len(one.asks) for one in self.talk[: n + 1]) for n in range(len(self.talk))]
        self.said = self.answered = b""

    def _keeper(self) -> Keeper:
        if self.mode == "apart":
            return OrderingKeeper()
        at_once = self.mode in {"at once", "coming and going"}
        return Keeper(lets_go=at_once, delivers=at_once)

    @property
    def over(self) -> bool:
        return bool({"reset", "close"} & set(self.wires.happened))

    def run(self) -> None:
        """Feed and decide everything; then remove the keeper and close both sides."""
        idle = 0
        while (self.up or self.down) and not self.over:
            before = len(self.said), len(self.answered)
            self.chance.choice(self._moves(idle > 20))()
            idle = idle + 1 if before == (len(self.said), len(self.answered)) else 0
        self._settle()
        if not self.over:
            self.wires.keeper = None
            self.session.gate_changed()
        if not self.over:
            self._passes()
        if not self.over:
            self.session.client_ended()
        if not self.over:
            self.session.server_ended()
        assert self.over or {"end to server", "end to client"} <= set(self.wires.happened)
        self.session.over()
        for held in self._held():
            held.release()
        assert not [alarm for alarm in self.wires.alarms if not alarm.over]

    def _moves(self, stuck: bool) -> list[Callable[[], None]]:
        """What can happen next; a server answers what has reached it, and anything once all is stuck."""
        while self.down and not self.down[0]:
            del self.down[0]
        moves: list[Callable[[], None]] = [self._decide, self._decide]
        moves += [self._client] if self.up else []
        asked = self.asked_by[len(self.talk) - len(self.down)] if self.down else 0
        reached = len(self.wires.up) + (len(SSL_REQUEST) if self.wires.down.startswith(b"N") else 0)
        if self.down and (stuck or reached >= asked or self.chance.random() < 0.002):
            moves += [self._server] * 3
        if self.mode == "coming and going":
            moves.append(self._turn_over)
        if self.mode not in PASSES_ALL:
            moves.append(self._ring)
        return moves

    def _client(self) -> None:
        data = self.up.pop(0)
        self.said += data
        self.session.from_client(data)

    def _server(self) -> None:
        data = self.down[0].pop(0)
        self.answered += data
        self.session.from_server(data)

    def _ring(self) -> None:
        due, self.wires.alarms = self.wires.alarms, []
        for alarm in due:
            alarm.ring()

    def _turn_over(self) -> None:
        self.wires.keeper = None if self.wires.keeper else self.keeper
        self.session.gate_changed()

    def _held(self) -> list[HeldBoundary]:
        return [held for held in self.keeper.asked if isinstance(held, HeldBoundary)]

    def _decide(self) -> None:
        for held in self._held():
            if held.turn is HoldState.ASKED:
                if self.mode == "failing" and self.chance.random() < 0.3:
                    with contextlib.suppress(NotSupported):
                        held.fail(self.chance.choice([FaultKind.ERROR, FaultKind.STALL]))
                        return
                held.go()
                return
            if held.turn is HoldState.ANSWERED and held.reply is not None:
                held.deliver()
                return

    def _settle(self) -> None:
        for _ in range(10 * len(self.talk)):
            if not self.over:
                self._decide()

    def _passes(self) -> None:
        """Nobody keeps: what was read has gone on, and what comes goes on at once."""
        up, down = bytes(self.wires.up), bytes(self.wires.down)
        if self.mode in PASSES_ALL and self.protocol is WireProtocol.POSTGRES:
            assert self.said.endswith(up)  # but for the request of encryption, which the gate answers
            assert _without_refusal(down, self.answered) == self.answered
        elif self.mode in PASSES_ALL and self.protocol is WireProtocol.REDIS:
            assert (up, down) == (self.said, self.answered)
        elif self.mode in PASSES_ALL:
            assert up == self.said
        self.session.from_client(PROBE)
        self.session.from_server(PROBE)
        begins = isinstance(self.session, PostgresSession) and self.session.begins
        if not (self.over or begins) and self.mode in PASSES_ALL:  # else an answer to the gate may be due
            assert self.wires.up.endswith(PROBE)
            assert self.wires.down.endswith(PROBE)


def _without_refusal(down: bytes, answered: bytes) -> bytes:
    """`down` without the gate's own refusal of encryption, wherever it came in."""
    at = next((n for n, (one, other) in enumerate(zip(down, answered, strict=False)) if one != other), None)
    at = len(answered) if at is None else at
    return down[:at] + down[at + 1 :] if down[at : at + 1] == b"N" else down


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_spoiled_streams_pass_or_are_named(protocol: WireProtocol) -> None:
    ends: Counter[str] = Counter()
    for seed in range(STREAMS):
        play = Play(protocol, seed)
        try:
            play.run()
        except Exception as error:
            raise AssertionError(f"{protocol} {seed}, {play.mode}: {play.wires}") from error
        broken = play.wires.broken
        assert "\n" not in broken
        assert broken or "reset" not in play.wires.happened
        ends["named" if broken else "passed"] += 1
        ends["asked"] += len(play.keeper.asked)
    assert min(ends["named"], ends["passed"]) > STREAMS / 10
    assert ends["asked"] > STREAMS / 2


class Script:
    """A server that answers a talk: each part once it has what was asked, or hears nothing more."""

    def __init__(self) -> None:
        self.talk: list[Exchange] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = wanted = 0
        with contextlib.suppress(OSError):
            for one in self.talk:
                wanted += len(one.asks)
                while got < wanted:
                    try:
                        async with asyncio.timeout(0.02):
                            data = await reader.read(65536)
                    except TimeoutError:
                        break
                    got += len(data)
                    if not data:
                        writer.close()
                        return
                writer.write(one.answers)
                await writer.drain()
            writer.close()


async def _converse(address: tuple[str, int], said: list[bytes]) -> None:
    """Say all of it, and listen to the connection's end."""
    reader, writer = await asyncio.open_connection(*address)
    with contextlib.suppress(OSError):
        for piece in said:
            writer.write(piece)
            await writer.drain()
        while await reader.read(65536):
            pass
    writer.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_spoiled_streams_leave_nothing_behind_in_a_relay(protocol: WireProtocol) -> None:
    relays = Relays()

    async def some(worker: int) -> RelayLink:
        script = Script()
        server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
        upstream = server.sockets[0].getsockname()
        link = relays.open(f"link {worker}", upstream=upstream, protocol=protocol)
        link.gate([None, Watching(), Watching(**late(0.001))][worker % 3])
        for seed in range(worker, STREAMS, WORKERS):
            chance = Random(f"{protocol} {seed}")
            script.talk = spoiled(chance, protocol)
            said = pieces(chance, b"".join(one.asks for one in script.talk))
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await _converse(link.address, said)
            except TimeoutError:
                raise AssertionError(f"{protocol} {seed} hangs") from None
        server.close()
        return link

    try:
        links = await asyncio.gather(*[some(worker) for worker in range(WORKERS)])
        async with asyncio.timeout(DEADLINE_S):
            while links[0].call(relays.connections):  # noqa: ASYNC110 - it lives in the relay's thread
                await asyncio.sleep(0.01)
        assert len(links[0].call(asyncio.all_tasks)) == 1 + len(
            links
        )  # this call, and one that accepts for each link
        troubles = [line for link in links for line in link.troubles()]
        assert not [line for line in troubles if "\n" in line or "the gate failed" in line]
        assert troubles
    finally:
        relays.close()
