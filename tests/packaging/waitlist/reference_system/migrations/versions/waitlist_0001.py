"""The waitlist."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "waitlist_0001"
down_revision = None
branch_labels = ("waitlist",)
depends_on = ("accounts_0001", "venues_0001")

TABLE = """
CREATE TABLE waitlist_entries (
    id uuid PRIMARY KEY,
    slot_id uuid NOT NULL REFERENCES slots,
    customer_id uuid NOT NULL REFERENCES customers,
    created_at timestamptz NOT NULL,
    CONSTRAINT waitlist_once UNIQUE (slot_id, customer_id)
);
"""
GRANTS = """
GRANT SELECT, INSERT ON waitlist_entries TO {app};
GRANT SELECT ON waitlist_entries TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE waitlist_entries")
