"""Idempotency keys and the recorded answers."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "idempotency_0001"
down_revision = None
branch_labels = ("idempotency",)
depends_on = ("accounts_0001",)

TABLES = """
CREATE TABLE idempotency_keys (
    customer_id uuid NOT NULL REFERENCES customers,
    key text NOT NULL,
    fingerprint text NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'done')),
    status integer,
    body text,
    lease_until timestamptz,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (customer_id, key),
    CONSTRAINT idempotency_done_has_an_answer CHECK ((state = 'done') = (status IS NOT NULL))
);
"""

GRANTS = """
GRANT SELECT, INSERT ON idempotency_keys TO {app};
GRANT UPDATE (state, status, body, lease_until) ON idempotency_keys TO {app};
GRANT SELECT ON idempotency_keys TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE idempotency_keys")
