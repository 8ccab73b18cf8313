"""The outbox: messages to send after a commit."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "outbox_0001"
down_revision = None
branch_labels = ("outbox",)

TABLES = """
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    sent_at timestamptz
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;
"""

GRANTS = """
GRANT SELECT, INSERT ON outbox TO {app};
GRANT UPDATE (sent_at) ON outbox TO {app};
GRANT SELECT ON outbox TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE outbox")
