"""The roles' access to the schema, and the service's clock."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "platform_0001"
down_revision = None
branch_labels = ("platform",)

TABLES = """
-- How far the service's clock is ahead of real time; only the control plane moves it.
CREATE TABLE clock (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    offset_s double precision NOT NULL DEFAULT 0
);
INSERT INTO clock DEFAULT VALUES;
"""

GRANTS = """
GRANT USAGE ON SCHEMA public TO {app}, {observer};
GRANT SELECT, UPDATE (offset_s) ON clock TO {app};
GRANT SELECT ON clock, alembic_version TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE clock")
