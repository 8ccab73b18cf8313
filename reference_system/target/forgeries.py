"""SQL that makes the service's records say what the service would never write.

Run by a superuser with triggers off, so `slots.taken` is kept right by hand.
"""

from __future__ import annotations

# A checkout that recovery gave up: nothing was charged as far as the service knew.
GIVE_UP = """
UPDATE checkouts SET state = 'expired', pay_key = 'given-up', method = 'card', lease_until = NULL
WHERE id = $1
"""
RELEASE_HOLD = "UPDATE holds SET released_at = $2 WHERE checkout_id = $1 AND released_at IS NULL"
FREE_PLACE = "UPDATE slots SET taken = taken - 1 WHERE id = $1"
# A checkout whose process died between capture and booking; its lease is long over.
LEAVE_PAYING = """
UPDATE checkouts SET state = 'paying', pay_key = 'left', method = 'card', lease_until = $2 WHERE id = $1
"""

PAYMENT_OF_CHARGE = "SELECT id, captured_minor, currency FROM payments WHERE intent_id = $1"
# Part of the price given back on the books as done, though nobody told the provider.
REFUND_DONE = """
INSERT INTO refunds (id, payment_id, amount_minor, state, reason, created_at)
VALUES ($1, $2, $3, 'succeeded', 'goodwill', $4)
"""
PAYMENT_REFUNDED = "UPDATE payments SET state = 'partially_refunded', refunded_minor = $2 WHERE id = $1"
# The sums of all postings of a kind, each side keeping its sign.
POSTED_AS = """
UPDATE ledger_entries SET amount_minor = sign(amount_minor)::bigint * $3 WHERE transaction_id IN (
    SELECT id FROM ledger_transactions WHERE payment_id = $1 AND kind = $2
)
"""
REFUNDED_AS = "UPDATE refunds SET amount_minor = $2 WHERE payment_id = $1"
SETTLED_BY_HAND = "UPDATE dead_letters SET resolved_at = $2 WHERE subject = $1 AND resolved_at IS NULL"
POST = """
INSERT INTO ledger_transactions (id, kind, reference, payment_id, created_at) VALUES ($1, $2, $3, $4, $5)
"""
# On the accounts of the payment's own capture: $2 minor units in the same direction or, negative, back.
POST_LIKE_CAPTURE = """
INSERT INTO ledger_entries (transaction_id, account, amount_minor, currency)
SELECT $1, entry.account, $2::bigint * sign(entry.amount_minor)::bigint, entry.currency
FROM ledger_entries AS entry
WHERE entry.transaction_id = (
    SELECT id FROM ledger_transactions WHERE payment_id = $3 AND kind = 'capture' ORDER BY created_at LIMIT 1
)
ORDER BY entry.id
"""
UNPOST_ENTRIES = """
DELETE FROM ledger_entries WHERE transaction_id IN (
    SELECT id FROM ledger_transactions WHERE payment_id = $1 AND kind = 'capture'
)
"""
UNPOST = "DELETE FROM ledger_transactions WHERE payment_id = $1 AND kind = 'capture'"

ORPHAN_HOLD = """
INSERT INTO holds (id, slot_id, customer_id, checkout_id, expires_at) VALUES ($1, $2, $3, NULL, $4)
"""
TAKE_PLACE = "UPDATE slots SET taken = taken + 1 WHERE id = $1"

# Many payments on which both sides agree: number n of a bulk has the ids that the provider gives it.
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
