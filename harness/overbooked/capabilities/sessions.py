"""Sessions that expire and that can be revoked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from overbooked.capabilities import declare, sent_by_customer
from overbooked.targets.adapter import Account


class Sessions(Protocol):
    """Log in, expire or revoke a session."""

    @sent_by_customer
    async def log_in(self, who: Account) -> None:
        """Log in again: `who.session` is replaced."""

    async def expire_access(self, who: Account) -> None:
        """Make the access token of this session expire, by the clock or in another way."""

    async def revoke_session(self, who: Account) -> None:
        """Revoke the session from elsewhere (an operator, another device)."""

    @property
    def endings(self) -> Sequence[str]:
        """Every way in which a session of this system ends; the first is the expiry of its access token."""

    async def staff(self) -> Sequence[Account]:
        """Log in an account of each role that is not a customer's and has no right to customers' checkouts.

        Empty where every account is a customer's.
        """

    async def end_session(self, who: Account, way: str) -> None:
        """End the session in one of the ways of `endings`; `who.session` stays the session that has ended."""


SESSIONS = declare("sessions", Sessions)
