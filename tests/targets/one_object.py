"""A fake system in one object: it implements every capability itself."""

from __future__ import annotations

from typing import Any, Self

from overbooked.capabilities import Capability, offers


class OneObject:
    """The part of `System` for capabilities."""

    adapter: Any

    def offers(self, *capabilities: Capability[Any]) -> bool:
        return offers(self.adapter, *capabilities)

    def _itself(self) -> Self:
        return self

    booking = resizing = rescheduling = checkout = pricing = sessions = property(_itself)
    clock = jobs = webhooks = reconciliation = property(_itself)
