"""Helpers to read a fault's receipt, its verdict, and the remaining toxics."""

from __future__ import annotations

import asyncio

from overbooked.faults.base import Fault
from overbooked.toxiproxy.client import ToxiproxyClient
from overbooked.verdicts.evidence import Receipt
from overbooked.verdicts.judge import Judge
from overbooked.verdicts.verdict import Verdict
from tests.faults.fakestack import LINK, FakeStack


def verdict_of(judge: Judge) -> Verdict:
    return judge.conclude(None)[0].verdict


def receipt_of(fault: Fault) -> Receipt:
    assert fault.receipt is not None
    return fault.receipt


async def toxics_on(stack: FakeStack, link: str = LINK) -> int:
    client = ToxiproxyClient(stack.toxiproxy_url)
    return len(await asyncio.to_thread(client.toxics, link))
