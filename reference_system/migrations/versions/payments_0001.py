"""Payments, with a trigger that refuses backward transitions, and refunds."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "payments_0001"
down_revision = None
branch_labels = ("payments",)
depends_on = ("checkout_0001",)

# A second charge of one checkout refers to it by `surplus_of` and is refunded. Intents are compared in byte
# order, which is the provider's order.
TABLES = """
CREATE TABLE payments (
    id uuid PRIMARY KEY,
    checkout_id uuid REFERENCES checkouts,
    surplus_of uuid REFERENCES checkouts,
    intent_id text COLLATE "C" CONSTRAINT payments_intent_once UNIQUE,
    state text NOT NULL CHECK (state IN (
        'created', 'authorized', 'failed', 'voided', 'captured', 'partially_refunded', 'refunded'
    )),
    amount_minor bigint NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    captured_minor bigint NOT NULL DEFAULT 0,
    refunded_minor bigint NOT NULL DEFAULT 0,
    CONSTRAINT payments_amounts_in_order CHECK (
        0 <= refunded_minor AND refunded_minor <= captured_minor AND captured_minor <= amount_minor
    ),
    CONSTRAINT payments_are_surplus_or_not CHECK (checkout_id IS NULL OR surplus_of IS NULL)
);
CREATE INDEX payments_surplus ON payments (surplus_of) WHERE surplus_of IS NOT NULL;
CREATE INDEX payments_of_checkout ON payments (checkout_id);
CREATE UNIQUE INDEX payments_captured_once_a_checkout ON payments (checkout_id) WHERE captured_minor > 0;

CREATE TABLE refunds (
    id uuid PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payments,
    provider_refund_id text CONSTRAINT refunds_provider_id_once UNIQUE,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    state text NOT NULL CHECK (state IN ('pending', 'sent', 'succeeded', 'failed')),
    reason text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX refunds_of_payment ON refunds (payment_id);
CREATE INDEX refunds_to_send ON refunds (created_at) WHERE state IN ('pending', 'sent');
"""

GO_FORWARD = """
CREATE FUNCTION public.payment_rank(state text) RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE state
        WHEN 'created' THEN 0
        WHEN 'authorized' THEN 1
        WHEN 'failed' THEN 2
        WHEN 'captured' THEN 3
        WHEN 'partially_refunded' THEN 4
        WHEN 'refunded' THEN 5
        WHEN 'voided' THEN 6
    END
$$;

CREATE FUNCTION public.payments_go_forward() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF public.payment_rank(NEW.state) < public.payment_rank(OLD.state) THEN
        RAISE EXCEPTION 'payment % is %, it cannot become %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_state_never_falls', TABLE = 'payments';
    END IF;
    -- A capture that never was at the provider is written off, once and for good.
    IF NEW.state = 'voided' AND OLD.state <> 'voided' AND NEW.captured_minor = 0 THEN
        RETURN NEW;
    END IF;
    IF OLD.state = 'voided' AND NEW.captured_minor <> 0 THEN
        RAISE EXCEPTION 'payment % is voided', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_voided_is_final', TABLE = 'payments';
    END IF;
    IF OLD.captured_minor > 0 AND NEW.captured_minor <> OLD.captured_minor THEN
        RAISE EXCEPTION 'payment % is captured already', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_captured_once', TABLE = 'payments';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER payments_go_forward BEFORE UPDATE ON payments
    FOR EACH ROW EXECUTE FUNCTION public.payments_go_forward();
"""

GRANTS = """
GRANT SELECT, INSERT ON payments, refunds TO {app};
GRANT UPDATE (checkout_id, surplus_of, state, captured_minor, refunded_minor) ON payments TO {app};
GRANT UPDATE (provider_refund_id, state) ON refunds TO {app};
GRANT SELECT ON payments, refunds TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GO_FORWARD)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE refunds, payments")
    op.execute("DROP FUNCTION payments_go_forward, payment_rank")
