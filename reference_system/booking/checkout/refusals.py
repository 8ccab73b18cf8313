"""The kinds of problems of checkout."""

from __future__ import annotations

from reference_system.booking.platform.problems import Kind

PRICE_LOCK_EXPIRED = Kind("price-lock-expired", 409, "The quoted price has expired; here is the new one")
PRICE_LOCK_USED = Kind("price-lock-used", 409, "This price lock was used for a checkout")
PRICE_LOCK_MISMATCH = Kind("price-lock-mismatch", 409, "This price was quoted for another slot")
ALREADY_PAID = Kind("already-paid", 409, "This checkout is paid for and booked")
CHECKOUT_CLOSED = Kind("checkout-closed", 409, "This checkout has ended; begin another one")
CARD_DECLINED = Kind("card-declined", 402, "The card was declined; nothing was charged")
PAYMENT_NOT_TAKEN = Kind("payment-not-taken", 409, "The payment did not take place; nothing was charged")
PROVIDER_UNAVAILABLE = Kind(
    "provider-unavailable",
    503,
    "The payment provider does not answer; repeat with the same key to learn the outcome",
)
PROVIDER_FAILED = Kind("provider-failed", 502, "The payment provider gave no usable answer")
