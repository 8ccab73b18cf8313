"""The audit log."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "audit_0001"
down_revision = None
branch_labels = ("audit",)

TABLES = """
CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    entity text NOT NULL,
    entity_id text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_of_entity ON audit (entity, entity_id);
"""

GRANTS = """
GRANT SELECT, INSERT ON audit TO {app};
GRANT SELECT ON audit TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE audit")
