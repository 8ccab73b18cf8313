"""What each toxic does to a stream; each reads its attributes anew, so that a change takes effect.

A toxic runs until the stream ends or it is interrupted by a change, and drops no chunk it holds
unless dropping is what it does. After toxics/*.go of Toxiproxy 2.12.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from overbooked.toxiproxy.server.chunks import Chunk, Sign

if TYPE_CHECKING:
    from random import Random

    from overbooked.toxiproxy.server.stage import Stage

LATENCY_BUFFER = 1024
_SLICE_S = 0.1
_FOR_EVER_S = float("inf")
# Timers tick in milliseconds: shorter rests are saved up until they make one.
_TICK_S = 0.001


async def noop(stage: Stage) -> None:
    """Pass everything."""
    while isinstance(chunk := await stage.take(), Chunk):
        await stage.pass_on(chunk)
    if chunk is Sign.END:
        stage.close()


async def latency(stage: Stage) -> None:
    """Delay each chunk by `latency` +/- `jitter` milliseconds from when it was read."""
    while isinstance(chunk := await stage.take(), Chunk):
        delay_ms = stage.toxic.attributes["latency"]
        jitter_ms = stage.toxic.attributes["jitter"]
        if jitter_ms > 0:
            delay_ms += stage.draws.randrange(-jitter_ms, jitter_ms)
        rest_s = delay_ms / 1000 - (time.monotonic() - chunk.read_at)
        rested = await stage.rest(rest_s)
        if rested:
            # So that a second latency adds to this one.
            chunk.read_at += rest_s
        await stage.pass_on(chunk)
        if not rested:
            return
    if chunk is Sign.END:
        stage.close()


async def bandwidth(stage: Stage) -> None:
    """Pass at most `rate` kilobytes (of 1000 bytes) a second; a rate of 0 passes nothing."""
    owed_s = 0.0
    while isinstance(chunk := await stage.take(), Chunk):
        rate = stage.toxic.attributes["rate"]
        if rate == 0:
            await stage.rest(_FOR_EVER_S)
            await stage.pass_on(chunk)
            return
        owed_s += len(chunk.data) / (rate * 1000)
        while len(chunk.data) > rate * 100:
            if not await stage.rest(_SLICE_S):
                await stage.pass_on(chunk)
                return
            await stage.pass_on(Chunk(chunk.data[: rate * 100], chunk.read_at))
            chunk = Chunk(chunk.data[rate * 100 :], chunk.read_at)
            owed_s -= _SLICE_S
        started = time.monotonic()
        rested = await stage.rest(owed_s)
        owed_s -= time.monotonic() - started
        await stage.pass_on(chunk)
        if not rested:
            return
    if chunk is Sign.END:
        stage.close()


async def slow_close(stage: Stage) -> None:
    """Pass everything; keep the end of the stream back for `delay` milliseconds."""
    while isinstance(chunk := await stage.take(), Chunk):
        await stage.pass_on(chunk)
    if chunk is Sign.END and await stage.rest(stage.toxic.attributes["delay"] / 1000):
        stage.close()


async def timeout(stage: Stage) -> None:
    """Drop everything, and close after `timeout` milliseconds of silence; 0 never closes."""
    timeout_ms = stage.toxic.attributes["timeout"]
    within_s = timeout_ms / 1000 if timeout_ms > 0 else None
    while isinstance(sign := await stage.take(within_s), Chunk):
        pass
    if sign is not Sign.INTERRUPT:
        stage.close()


async def reset_peer(stage: Stage) -> None:
    """At the first chunk, dropped, wait `timeout` milliseconds and close.

    A connection made while the toxic was there closes with a reset (connection.py), an older one
    with an end of stream.
    """
    if await stage.take() is Sign.INTERRUPT:
        return
    # A change cannot bring back what was dropped: whether rested or not, the connection goes.
    await stage.rest(stage.toxic.attributes["timeout"] / 1000)
    stage.close()


async def limit_data(stage: Stage) -> None:
    """Close when `bytes` bytes have passed; they are counted over changes."""
    while isinstance(chunk := await stage.take(), Chunk):
        left = max(stage.toxic.attributes["bytes"] - stage.passed_bytes, 0)
        if left < len(chunk.data):
            chunk = Chunk(chunk.data[:left], chunk.read_at)
        if chunk.data:
            await stage.pass_on(chunk)
            stage.passed_bytes += len(chunk.data)
        if stage.passed_bytes >= stage.toxic.attributes["bytes"]:
            stage.close()
            return
    if chunk is Sign.END:
        stage.close()


async def slicer(stage: Stage) -> None:
    """Cut chunks into pieces of about `average_size` bytes, `delay` microseconds after each."""
    owed_s = 0.0
    while isinstance(chunk := await stage.take(), Chunk):
        attributes = stage.toxic.attributes
        average, variation = attributes["average_size"], attributes["size_variation"]
        draws = stage.draws if variation else None
        for start, end in _pieces(0, len(chunk.data), average, variation, draws):
            await stage.pass_on(Chunk(chunk.data[start:end], chunk.read_at))
            owed_s += attributes["delay"] / 1_000_000
            if owed_s < _TICK_S:
                continue
            if not await stage.rest(owed_s):
                await stage.pass_on(Chunk(chunk.data[end:], chunk.read_at))
                return
            owed_s = 0.0
    if chunk is Sign.END:
        stage.close()


def _pieces(
    start: int, end: int, average: int, variation: int, draws: Random | None
) -> list[tuple[int, int]]:
    """Halve, with the middle off by up to `variation`, until a piece is small enough."""
    if end - start - average <= variation:
        return [(start, end)]
    middle = start + (end - start) // 2
    if draws is not None:
        middle += draws.randrange(-variation, variation)
    return [
        *_pieces(start, middle, average, variation, draws),
        *_pieces(middle, end, average, variation, draws),
    ]
