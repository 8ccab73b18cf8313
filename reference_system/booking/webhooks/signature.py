"""Who sent a webhook, and when: an HMAC over time and body, as the provider's documentation says."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

HEADER = "Provider-Signature"


class NotGenuine(Exception):
    """A webhook that is not, or not now, from the provider; the message is for the log."""


def verify(header: str | None, body: bytes, *, secret: str, now: datetime, tolerance_s: float) -> None:
    """Check `t=<unix>,v1=<hex hmac-sha256 of "t.body">`; raises NotGenuine.

    An original copy that is older than the tolerance is refused too: it was stuck in the network or
    is replayed by somebody who listened. The provider signs every delivery freshly.
    """
    timestamp, mac = parse(header)
    if not is_signed(mac, timestamp, body, secret=secret):
        raise NotGenuine("the signature does not fit")
    if not is_recent(timestamp, now=now, tolerance_s=tolerance_s):
        raise NotGenuine(f"signed at {timestamp}, it is {now.timestamp():.0f}")


def parse(header: str | None) -> tuple[int, str]:
    """Timestamp and MAC of a header; raises NotGenuine."""
    parts = dict(part.partition("=")[::2] for part in (header or "").split(","))
    timestamp, mac = parts.get("t", ""), parts.get("v1", "")
    if not (timestamp.isascii() and timestamp.isdigit() and mac):
        raise NotGenuine("there is no signature" if not header else "the signature is malformed")
    return int(timestamp), mac


def is_signed(mac: str, timestamp: int, body: bytes, *, secret: str) -> bool:
    """Whether somebody who knows the secret signed just this body at just this time."""
    expected = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), mac.encode())


def is_recent(timestamp: int, *, now: datetime, tolerance_s: float) -> bool:
    """Whether a delivery was signed within `tolerance_s` of now."""
    try:
        age_s = (now - datetime.fromtimestamp(timestamp, UTC)).total_seconds()
    except (OverflowError, ValueError, OSError):
        return False
    return abs(age_s) <= tolerance_s
