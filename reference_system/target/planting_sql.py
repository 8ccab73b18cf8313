"""SQL that writes records which the service itself would never write.

A superuser runs it with triggers off, so `slots.taken` is maintained by hand.
"""

from __future__ import annotations

SERVICE_OF_SLOT = "SELECT service_id FROM slots WHERE id = $1"

ADD_SLOT = """
INSERT INTO slots (id, service_id, resource_no, starts_at, ends_at, capacity, taken, price_minor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
ADD_LOCK = """
INSERT INTO price_locks (id, customer_id, slot_id, amount_minor, currency, expires_at, checkout_id)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
ADD_CHECKOUT = """
INSERT INTO checkouts (id, customer_id, slot_id, price_lock_id, state, amount_minor, currency, pay_key,
    method, lease_until, outcome, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::jsonb, $12, $12)
"""
ADD_HOLD = """
INSERT INTO holds (id, slot_id, customer_id, checkout_id, expires_at, released_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
ADD_BOOKING = """
INSERT INTO bookings (id, slot_id, customer_id, checkout_id, status, created_at, cancelled_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
ADD_PAYMENT = """
INSERT INTO payments (id, checkout_id, surplus_of, intent_id, state, amount_minor, currency, captured_minor,
    refunded_minor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
ADD_REFUND = """
INSERT INTO refunds (id, payment_id, provider_refund_id, amount_minor, state, reason, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
ADD_POSTING = """
INSERT INTO ledger_transactions (id, kind, reference, payment_id, reverses, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
ADD_ENTRY = """
INSERT INTO ledger_entries (transaction_id, account, amount_minor, currency) VALUES ($1, $2, $3, $4)
"""
# In the order in which they are written.
WRITTEN = (
    ADD_SLOT,
    ADD_LOCK,
    ADD_CHECKOUT,
    ADD_HOLD,
    ADD_BOOKING,
    ADD_PAYMENT,
    ADD_REFUND,
    ADD_POSTING,
    ADD_ENTRY,
)

CHECKOUTS_ON_SLOTS = """
SELECT id FROM checkouts WHERE slot_id = ANY($1)
UNION SELECT checkout_id FROM bookings WHERE slot_id = ANY($1) AND checkout_id IS NOT NULL
"""
_PAYMENTS = "SELECT id FROM payments WHERE checkout_id = ANY($1) OR surplus_of = ANY($1)"
_POSTINGS = f"SELECT id FROM ledger_transactions WHERE payment_id IN ({_PAYMENTS})"  # noqa: S608 - constants
# What belongs to some checkouts, in the order in which it is removed.
REMOVED = (
    f"DELETE FROM ledger_entries WHERE transaction_id IN ({_POSTINGS})",  # noqa: S608 - constants
    f"DELETE FROM ledger_transactions WHERE payment_id IN ({_PAYMENTS})",  # noqa: S608 - constants
    f"DELETE FROM refunds WHERE payment_id IN ({_PAYMENTS})",  # noqa: S608 - constants
    "DELETE FROM payments WHERE checkout_id = ANY($1) OR surplus_of = ANY($1)",
    "DELETE FROM bookings WHERE checkout_id = ANY($1)",
    "DELETE FROM holds WHERE checkout_id = ANY($1)",
    "DELETE FROM price_locks WHERE checkout_id = ANY($1)",
    "DELETE FROM checkouts WHERE id = ANY($1)",
)
# What is left on some slots.
FREED = (
    "DELETE FROM holds WHERE slot_id = ANY($1)",
    "DELETE FROM bookings WHERE slot_id = ANY($1)",
    "UPDATE slots SET taken = 0 WHERE id = ANY($1)",
)
RESOLVE = """
UPDATE dead_letters SET resolved_at = $2 WHERE subject = ANY($1) AND resolved_at IS NULL
"""

# Many payments on which both sides agree; number n of a bulk has the ids that the provider gives it.
AGREED_LOCKS = """
INSERT INTO price_locks (id, customer_id, slot_id, amount_minor, currency, expires_at, checkout_id)
SELECT md5($1 || ':lock:' || n)::uuid, $2, $3, $4, 'EUR', $5, md5($1 || ':' || n)::uuid
FROM generate_series(0, $6::int - 1) AS n
"""
AGREED_CHECKOUTS = """
INSERT INTO checkouts (id, customer_id, slot_id, price_lock_id, state, amount_minor, currency, pay_key,
    method, created_at, updated_at)
SELECT md5($1 || ':' || n)::uuid, $2, $3, md5($1 || ':lock:' || n)::uuid, 'booked', $4, 'EUR',
    $1 || n, 'card', $5, $5
FROM generate_series(0, $6::int - 1) AS n
"""
AGREED_HOLDS = """
INSERT INTO holds (id, slot_id, customer_id, checkout_id, expires_at, released_at)
SELECT md5($1 || ':hold:' || n)::uuid, $3, $2, md5($1 || ':' || n)::uuid, $4, $4
FROM generate_series(0, $5::int - 1) AS n
"""
AGREED_BOOKINGS = """
INSERT INTO bookings (id, slot_id, customer_id, checkout_id, status, created_at)
SELECT md5($1 || ':booking:' || n)::uuid, $3, $2, md5($1 || ':' || n)::uuid, 'confirmed', $4
FROM generate_series(0, $5::int - 1) AS n
"""
AGREED_PAYMENTS = """
INSERT INTO payments (id, checkout_id, intent_id, state, amount_minor, currency, captured_minor)
SELECT md5($1 || ':payment:' || n)::uuid, md5($1 || ':' || n)::uuid,
    'pi_' || $1 || lpad(n::text, 8, '0'), 'captured', $2, 'EUR', $2
FROM generate_series(0, $3::int - 1) AS n
"""
AGREED_POSTS = """
INSERT INTO ledger_transactions (id, kind, reference, payment_id, created_at)
SELECT md5($1 || ':ledger:' || n)::uuid, 'capture', 'pi_' || $1 || lpad(n::text, 8, '0'),
    md5($1 || ':payment:' || n)::uuid, $2
FROM generate_series(0, $3::int - 1) AS n
"""
AGREED_ENTRIES = """
INSERT INTO ledger_entries (transaction_id, account, amount_minor, currency)
SELECT md5($1 || ':ledger:' || n)::uuid, side.account, side.sign * $2::bigint, 'EUR'
FROM generate_series(0, $3::int - 1) AS n,
    (VALUES ('provider_receivable', 1), ('booking_revenue', -1)) AS side (account, sign)
"""
FILL_SLOT = "UPDATE slots SET taken = taken + $2 WHERE id = $1"
