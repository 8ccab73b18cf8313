"""Checkouts."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "checkout_0001"
down_revision = None
branch_labels = ("checkout",)
depends_on = ("pricing_0001",)

TABLES = """
CREATE TABLE checkouts (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customers,
    slot_id uuid NOT NULL REFERENCES slots,
    price_lock_id uuid NOT NULL REFERENCES price_locks CONSTRAINT checkouts_price_lock_once UNIQUE,
    state text NOT NULL CHECK (
        state IN ('open', 'paying', 'processing', 'booked', 'declined', 'failed', 'expired')
    ),
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    details jsonb NOT NULL DEFAULT '{}',
    pay_key text,
    method text CHECK (method IN ('card', 'bank')),
    lease_until timestamptz,
    outcome jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX checkouts_of_customer ON checkouts (customer_id, created_at);
CREATE INDEX checkouts_unfinished ON checkouts (state, lease_until)
    WHERE state IN ('open', 'paying', 'processing');
ALTER TABLE price_locks ADD FOREIGN KEY (checkout_id) REFERENCES checkouts;
"""

GRANTS = """
GRANT SELECT, INSERT ON checkouts TO {app};
GRANT UPDATE (state, details, pay_key, method, lease_until, outcome, updated_at) ON checkouts TO {app};
GRANT SELECT ON checkouts TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE checkouts CASCADE")
