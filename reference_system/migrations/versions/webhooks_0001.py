"""Events that the payment provider delivered."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "webhooks_0001"
down_revision = None
branch_labels = ("webhooks",)

TABLES = """
CREATE TABLE webhook_events (
    event_id text PRIMARY KEY,
    type text NOT NULL,
    intent_id text,
    payload jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'done', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    last_error text,
    received_at timestamptz NOT NULL,
    processed_at timestamptz
);
CREATE INDEX webhook_events_unprocessed ON webhook_events (received_at) WHERE state = 'pending';
CREATE INDEX webhook_events_of_intent ON webhook_events (intent_id);
"""

GRANTS = """
GRANT SELECT, INSERT ON webhook_events TO {app};
GRANT UPDATE (state, attempts, last_error, processed_at) ON webhook_events TO {app};
GRANT SELECT ON webhook_events TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE webhook_events")
