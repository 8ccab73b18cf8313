"""Signatures of deliveries: genuine, malformed in each way, and false.

The genuine header is `t=<unix>,v1=<hex hmac-sha256 of "t.body">`. Each entry makes the headers of a delivery
from its body, the time and the key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping

HEADER = "Provider-Signature"
# Seconds from the bounds of the tolerance: a delivery takes some on a busy machine.
_INSIDE_S, _OUTSIDE_S = 60, 60
_WRONG = "0" * 64


class Signing:
    """Makes signatures over one body.

    Args:
        body: the bytes that are delivered.
        secret: the key of the service.
        now: the service's time in whole seconds since the epoch.
        tolerance_s: the age at which the service refuses a signature, in whole seconds.
    """

    def __init__(self, body: bytes, *, secret: str, now: int, tolerance_s: int) -> None:
        self.body = body
        self.secret = secret
        self.now = now
        self.tolerance_s = tolerance_s

    def mac(
        self,
        at: object | None = None,
        *,
        key: str | None = None,
        body: bytes | None = None,
        of: str = "sha256",
    ) -> str:
        """Return the hex MAC over a timestamp (default now) and a body (default the delivered one)."""
        signed = f"{self.now if at is None else at}.".encode() + (self.body if body is None else body)
        return hmac.new((self.secret if key is None else key).encode(), signed, of).hexdigest()

    def at(self, timestamp: object) -> str:
        """Return a header with this timestamp, validly signed over it."""
        return f"t={timestamp},v1={self.mac(timestamp)}"

    def with_mac(self, mac: str) -> str:
        return f"t={self.now},v1={mac}"

    @property
    def good(self) -> str:
        return self.at(self.now)


Make = Callable[[Signing], str]


def _other_key(one: Signing) -> str:
    return hashlib.sha256(one.secret.encode()).hexdigest()


def _changed(mac: str, place: int) -> str:
    return mac[:place] + ("0" if mac[place] != "0" else "1") + mac[place:][1:]


GENUINE: Mapping[str, Make] = {
    "fresh": lambda one: one.good,
    "nearly stale": lambda one: one.at(one.now - one.tolerance_s + _INSIDE_S),
    "slightly ahead": lambda one: one.at(one.now + _INSIDE_S),
    "fresh, spaced body": lambda one: one.good,
}

FALSE: Mapping[str, Make] = {
    # -- another key ---------------------------------------------------------------------------
    "forged": lambda one: one.with_mac(one.mac(key=_other_key(one))),
    "by an empty key": lambda one: one.with_mac(one.mac(key="")),
    "by no key": lambda one: one.with_mac(hashlib.sha256(f"{one.now}.".encode() + one.body).hexdigest()),
    "the key itself": lambda one: one.with_mac(one.secret),
    # -- another time --------------------------------------------------------------------------
    "stale": lambda one: one.at(one.now - one.tolerance_s - _OUTSIDE_S),
    "just stale": lambda one: one.at(one.now - one.tolerance_s - 2),
    "stale by a day": lambda one: one.at(one.now - 86_400),
    "stale by a year": lambda one: one.at(one.now - 365 * 86_400),
    "of the epoch": lambda one: one.at(0),
    "ahead": lambda one: one.at(one.now + one.tolerance_s + _OUTSIDE_S),
    "ahead by a year": lambda one: one.at(one.now + 365 * 86_400),
    "ahead beyond all calendars": lambda one: one.at(99_999_999_999_999),
    # -- a timestamp that is none, with a MAC over it -------------------------------------------
    "no timestamp": lambda one: f"v1={one.mac('')}",
    "no timestamp, only the body signed": lambda one: f"v1={_body_alone(one)}",
    "empty timestamp": lambda one: one.at(""),
    "timestamp of letters": lambda one: one.at("now"),
    "timestamp that is not a number": lambda one: one.at("nan"),
    "timestamp that is infinite": lambda one: one.at("inf"),
    "timestamp with a fraction": lambda one: one.at(f"{one.now}.0"),
    "timestamp with an exponent": lambda one: one.at(f"{one.now}e0"),
    "timestamp with a sign": lambda one: one.at(f"+{one.now}"),
    "timestamp below zero": lambda one: one.at(-one.now),
    "timestamp in milliseconds": lambda one: one.at(one.now * 1000),
    "timestamp in hex": lambda one: one.at(hex(one.now)),
    # -- the MAC of another timestamp -----------------------------------------------------------
    "old MAC, new timestamp": lambda one: one.with_mac(one.mac(one.now - one.tolerance_s - _OUTSIDE_S)),
    "timestamp one second off": lambda one: f"t={one.now - 1},v1={one.mac()}",
    "timestamp not signed": lambda one: one.with_mac(_body_alone(one)),
    "timestamp padded with zeros": lambda one: f"t=00{one.now},v1={one.mac()}",
    "timestamp padded with spaces": lambda one: f"t= {one.now} ,v1={one.mac()}",
    # -- a MAC that is none --------------------------------------------------------------------
    "no MAC": lambda one: f"t={one.now}",
    "empty MAC": lambda one: one.with_mac(""),
    "MAC of one digit": lambda one: one.with_mac(one.mac()[:1]),
    "MAC cut in half": lambda one: one.with_mac(one.mac()[:32]),
    "MAC short of its last digit": lambda one: one.with_mac(one.mac()[:-1]),
    "MAC short of its first digit": lambda one: one.with_mac(one.mac()[1:]),
    "MAC with a digit too many": lambda one: one.with_mac(one.mac() + "0"),
    "MAC twice": lambda one: one.with_mac(one.mac() * 2),
    "MAC padded with a space": lambda one: f"t={one.now},v1= {one.mac()}",
    "MAC in quotes": lambda one: one.with_mac(f'"{one.mac()}"'),
    "MAC in capitals": lambda one: one.with_mac(one.mac().upper()),
    "MAC in base64": lambda one: one.with_mac(base64.b64encode(bytes.fromhex(one.mac())).decode()),
    "MAC with another first digit": lambda one: one.with_mac(_changed(one.mac(), 0)),
    "MAC with another last digit": lambda one: one.with_mac(_changed(one.mac(), -1 % 64)),
    "MAC of zeros": lambda one: one.with_mac(_WRONG),
    "MAC by SHA-1": lambda one: one.with_mac(one.mac(of="sha1")),
    "MAC by SHA-512": lambda one: one.with_mac(one.mac(of="sha512")),
    # -- another scheme ------------------------------------------------------------------------
    "another version": lambda one: f"t={one.now},v0={one.mac()}",
    "no names": lambda one: f"{one.now},{one.mac()}",
    "names in capitals": lambda one: f"T={one.now},V1={one.mac()}",
    "only the MAC": lambda one: one.mac(),
    "no signature at all": lambda one: "none",
    # -- several -------------------------------------------------------------------------------
    "several, all false": lambda one: f"t={one.now},v1={_WRONG},v1={one.mac(key='')}",
    "several timestamps, the old one signed": lambda one: (
        f"t={one.now - 86_400},t={one.now},v1={one.mac(one.now - 86_400)}"
    ),
    "several timestamps, the old one signed and last": lambda one: (
        f"t={one.now},t={one.now - 86_400},v1={one.mac(one.now - 86_400)}"
    ),
}

# One of several is valid. The service documents no rotation of keys, so it refuses them.
SEVERAL: Mapping[str, Make] = {
    "several, the first valid": lambda one: f"{one.good},v1={_WRONG}",
    "several, the last valid": lambda one: f"t={one.now},v1={_WRONG},v1={one.mac()}",
    "several, the middle one valid": lambda one: f"t={one.now},v1={_WRONG},v1={one.mac()},v1={_WRONG}",
    "several headers in one, the first valid": lambda one: f"{one.good}, {one.with_mac(_WRONG)}",
    "several headers in one, the last valid": lambda one: f"{one.with_mac(_WRONG)}, {one.good}",
}


def _body_alone(one: Signing) -> str:
    return hmac.new(one.secret.encode(), one.body, hashlib.sha256).hexdigest()
