"""Customers, their sessions and refresh tokens."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "accounts_0001"
down_revision = None
branch_labels = ("accounts",)

TABLES = """
CREATE TABLE customers (
    id uuid PRIMARY KEY,
    email text NOT NULL CONSTRAINT customers_email_once UNIQUE,
    name text NOT NULL,
    password_hash text NOT NULL,
    is_operator boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    CONSTRAINT customers_email_is_lower_case CHECK (email = lower(email))
);

CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customers,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX sessions_of_customer ON sessions (customer_id) WHERE revoked_at IS NULL;

CREATE TABLE refresh_tokens (
    id uuid PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions,
    token_hash text NOT NULL CONSTRAINT refresh_tokens_hash_once UNIQUE,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id);
"""

GRANTS = """
GRANT SELECT, INSERT ON customers, sessions, refresh_tokens TO {app};
GRANT UPDATE (email, name, password_hash) ON customers TO {app};
GRANT UPDATE (revoked_at) ON sessions TO {app};
GRANT UPDATE (used_at) ON refresh_tokens TO {app};
GRANT SELECT ON customers, sessions, refresh_tokens TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE refresh_tokens, sessions, customers")
