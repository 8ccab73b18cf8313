"""Reconciliation runs and their findings."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "reconciliation_0001"
down_revision = None
branch_labels = ("reconciliation",)

TABLES = """
CREATE TABLE reconciliation_runs (
    id uuid PRIMARY KEY,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    examined bigint NOT NULL DEFAULT 0,
    cursor text
);

CREATE TABLE reconciliation_findings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id uuid NOT NULL REFERENCES reconciliation_runs,
    kind text NOT NULL,
    subject text NOT NULL,
    action text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT reconciliation_findings_once UNIQUE (run_id, kind, subject)
);
"""

GRANTS = """
GRANT SELECT, INSERT ON reconciliation_runs, reconciliation_findings TO {app};
GRANT UPDATE (finished_at, examined, cursor) ON reconciliation_runs TO {app};
GRANT UPDATE (action, detail) ON reconciliation_findings TO {app};
GRANT SELECT ON reconciliation_runs, reconciliation_findings TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE reconciliation_findings, reconciliation_runs")
