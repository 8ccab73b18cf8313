"""Signatures of webhooks: an HMAC over timestamp and body, as documented by the provider."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime

HEADER = "Provider-Signature"
# Exactly one timestamp and one MAC: of several, an attacker could choose the one that is checked.
FORM = re.compile(r"t=(0|[1-9][0-9]{0,14}),v1=([0-9a-f]{64})")


class NotGenuine(Exception):
    """A webhook has no valid and recent signature; the message is for the log."""


def verify(header: str | None, body: bytes, *, secret: str, now: datetime, tolerance_s: float) -> None:
    """Check `t=<unix>,v1=<hex hmac-sha256 of "t.body">`; raises NotGenuine.

    A validly signed copy that is older than `tolerance_s` is refused too: it may be a replay by an attacker.
    The provider signs every delivery anew.
    """
    timestamp, mac = parse(header)
    if not is_signed(mac, timestamp, body, secret=secret):
        raise NotGenuine("the signature does not fit")
    if not is_recent(timestamp, now=now, tolerance_s=tolerance_s):
        raise NotGenuine(f"signed at {timestamp}, it is {now.timestamp():.0f}")


def parse(header: str | None) -> tuple[int, str]:
    """Parse timestamp and MAC of a header; raises NotGenuine."""
    found = FORM.fullmatch(header or "")
    if found is None:
        raise NotGenuine("there is no signature" if not header else "the signature is malformed")
    return int(found[1]), found[2]


def is_signed(mac: str, timestamp: int, body: bytes, *, secret: str) -> bool:
    """Whether the MAC is valid for this body, timestamp and secret."""
    expected = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), mac.encode())


def is_recent(timestamp: int, *, now: datetime, tolerance_s: float) -> bool:
    """Whether a delivery was signed within `tolerance_s` of now."""
    try:
        age_s = (now - datetime.fromtimestamp(timestamp, UTC)).total_seconds()
    except (OverflowError, ValueError, OSError):
        return False
    return abs(age_s) <= tolerance_s
