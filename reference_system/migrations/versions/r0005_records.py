"""What operation needs: idempotency, webhook events, outbox, audit, dead letters, reconciliation, clock."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "0005"
down_revision = "0004"

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

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    sent_at timestamptz
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;

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

-- How far the service's clock is ahead of real time; only the control plane moves it.
CREATE TABLE clock (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    offset_s double precision NOT NULL DEFAULT 0
);
INSERT INTO clock DEFAULT VALUES;
"""

GRANTS = """
GRANT SELECT, INSERT ON idempotency_keys, webhook_events, outbox, audit, dead_letters,
    reconciliation_runs, reconciliation_findings TO {app};
GRANT UPDATE (state, status, body, lease_until) ON idempotency_keys TO {app};
GRANT UPDATE (state, attempts, last_error, processed_at) ON webhook_events TO {app};
GRANT UPDATE (sent_at) ON outbox TO {app};
GRANT UPDATE (resolved_at) ON dead_letters TO {app};
GRANT UPDATE (finished_at, examined, cursor) ON reconciliation_runs TO {app};
GRANT UPDATE (action, detail) ON reconciliation_findings TO {app};
GRANT SELECT, UPDATE (offset_s) ON clock TO {app};
GRANT SELECT ON idempotency_keys, webhook_events, outbox, audit, dead_letters, reconciliation_runs,
    reconciliation_findings, clock, alembic_version TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute(
        "DROP TABLE clock, reconciliation_findings, reconciliation_runs, dead_letters, audit, outbox, "
        "webhook_events, idempotency_keys"
    )
