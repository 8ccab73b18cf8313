"""The effect of each toxic on a stream; attributes are read for each chunk, so that changes apply.

An effect runs until the stream ends or a change interrupts it. Unless dropping data is its effect, it drops
no chunk. Based on toxics/*.go of Toxiproxy 2.12.
"""

from __future__ import annotations

import time
from random import Random

from overbooked.toxiproxy.server.chunks import Chunk, Signal, StageControl

LATENCY_BUFFER = 1024
_SLICE_S = 0.1
_FOR_EVER_S = float("inf")
# Timers have a resolution of 1 ms: shorter delays are added up until they reach it.
_TICK_S = 0.001


async def noop(stage: StageControl) -> None:
    """Pass all chunks unchanged."""
    while isinstance(chunk := await stage.take(), Chunk):
        await stage.pass_on(chunk)
    if chunk is Signal.END:
        stage.close()


async def latency(stage: StageControl) -> None:
    """Delay each chunk by `latency` +/- `jitter` milliseconds after it was read."""
    while isinstance(chunk := await stage.take(), Chunk):
        delay_ms = stage.attributes["latency"]
        jitter_ms = stage.attributes["jitter"]
        if jitter_ms > 0:
            delay_ms += stage.draws.randrange(-jitter_ms, jitter_ms)
        rest_s = delay_ms / 1000 - (time.monotonic() - chunk.read_at)
        rested = await stage.rest(rest_s)
        if rested:
            # So that the delay of a second latency toxic is added to this one.
            chunk.read_at += rest_s
        await stage.pass_on(chunk)
        if not rested:
            return
    if chunk is Signal.END:
        stage.close()


async def bandwidth(stage: StageControl) -> None:
    """Pass at most `rate` kilobytes (1000 bytes) per second; a rate of 0 passes nothing."""
    owed_s = 0.0
    while isinstance(chunk := await stage.take(), Chunk):
        rate = stage.attributes["rate"]
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
    if chunk is Signal.END:
        stage.close()


async def slow_close(stage: StageControl) -> None:
    """Pass all chunks; delay the end of the stream by `delay` milliseconds."""
    while isinstance(chunk := await stage.take(), Chunk):
        await stage.pass_on(chunk)
    if chunk is Signal.END and await stage.rest(stage.attributes["delay"] / 1000):
        stage.close()


async def timeout(stage: StageControl) -> None:
    """Drop all chunks and close after `timeout` milliseconds without data; never if 0."""
    timeout_ms = stage.attributes["timeout"]
    within_s = timeout_ms / 1000 if timeout_ms > 0 else None
    while isinstance(sign := await stage.take(within_s), Chunk):
        pass
    if sign is not Signal.INTERRUPT:
        stage.close()


async def reset_peer(stage: StageControl) -> None:
    """Drop the first chunk, wait `timeout` milliseconds and close.

    A connection made while the toxic is active closes with a reset (connection.py), an older one with an end
    of stream.
    """
    if await stage.take() is Signal.INTERRUPT:
        return
    # Data has been dropped, so the connection is closed even if a change interrupts the wait.
    await stage.rest(stage.attributes["timeout"] / 1000)
    stage.close()


async def limit_data(stage: StageControl) -> None:
    """Close after `bytes` bytes; the count continues when the toxic is changed."""
    while isinstance(chunk := await stage.take(), Chunk):
        left = max(stage.attributes["bytes"] - stage.passed_bytes, 0)
        if left < len(chunk.data):
            chunk = Chunk(chunk.data[:left], chunk.read_at)
        if chunk.data:
            await stage.pass_on(chunk)
            stage.passed_bytes += len(chunk.data)
        if stage.passed_bytes >= stage.attributes["bytes"]:
            stage.close()
            return
    if chunk is Signal.END:
        stage.close()


async def slicer(stage: StageControl) -> None:
    """Split chunks into pieces of about `average_size` bytes; wait `delay` microseconds after each."""
    owed_s = 0.0
    while isinstance(chunk := await stage.take(), Chunk):
        attributes = stage.attributes
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
    if chunk is Signal.END:
        stage.close()


def _pieces(
    start: int, end: int, average: int, variation: int, draws: Random | None
) -> list[tuple[int, int]]:
    """Halve a range, with the middle shifted by up to `variation`, until the pieces are small enough."""
    if end - start - average <= variation:
        return [(start, end)]
    middle = start + (end - start) // 2
    if draws is not None:
        middle += draws.randrange(-variation, variation)
    return [
        *_pieces(start, middle, average, variation, draws),
        *_pieces(middle, end, average, variation, draws),
    ]
