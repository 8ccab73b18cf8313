"""Dead letters: work that needs a person."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "dead_letters_0001"
down_revision = None
branch_labels = ("dead_letters",)

TABLES = """
CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    source text NOT NULL CHECK (source IN ('webhook', 'reconciliation', 'outbox')),
    subject text NOT NULL,
    reason text NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    resolved_at timestamptz,
    CONSTRAINT dead_letters_once UNIQUE (source, subject, reason)
);
"""

GRANTS = """
GRANT SELECT, INSERT ON dead_letters TO {app};
GRANT UPDATE (resolved_at) ON dead_letters TO {app};
GRANT SELECT ON dead_letters TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE dead_letters")
