"""Rules that change prices, and price locks."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "pricing_0001"
down_revision = None
branch_labels = ("pricing",)
depends_on = (
    "accounts_0001",
    "venues_0001",
)

TABLES = """
CREATE TABLE price_rules (
    id uuid PRIMARY KEY,
    scope text NOT NULL CHECK (scope IN ('slot', 'service', 'venue')),
    scope_id uuid NOT NULL,
    percent numeric NOT NULL CHECK (percent BETWEEN -100 AND 1000),
    active boolean NOT NULL DEFAULT true
);
CREATE INDEX price_rules_in_force ON price_rules (scope, scope_id) WHERE active;

CREATE TABLE price_locks (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customers,
    slot_id uuid NOT NULL REFERENCES slots,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    expires_at timestamptz NOT NULL,
    checkout_id uuid CONSTRAINT price_locks_one_a_checkout UNIQUE
);
"""

GRANTS = """
GRANT SELECT, INSERT ON price_rules, price_locks TO {app};
GRANT UPDATE (active) ON price_rules TO {app};
GRANT UPDATE (checkout_id) ON price_locks TO {app};
GRANT SELECT ON price_rules, price_locks TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE price_locks, price_rules")
