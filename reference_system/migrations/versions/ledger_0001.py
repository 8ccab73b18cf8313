"""The ledger, with a trigger that checks at the commit that every transaction balances."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "ledger_0001"
down_revision = None
branch_labels = ("ledger",)
depends_on = ("payments_0001",)

TABLES = """
CREATE TABLE ledger_transactions (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('capture', 'refund', 'reversal')),
    reference text NOT NULL,
    payment_id uuid REFERENCES payments,
    reverses uuid REFERENCES ledger_transactions CONSTRAINT ledger_reversed_once UNIQUE,
    created_at timestamptz NOT NULL,
    CONSTRAINT ledger_reference_once UNIQUE (kind, reference),
    CONSTRAINT ledger_reversals_reverse CHECK ((kind = 'reversal') = (reverses IS NOT NULL))
);
CREATE INDEX ledger_transactions_of_payment ON ledger_transactions (payment_id);

CREATE TABLE ledger_entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id uuid NOT NULL REFERENCES ledger_transactions,
    account text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$')
);
CREATE INDEX ledger_entries_of_transaction ON ledger_entries (transaction_id);
"""

# Deferred to the commit, since entries are inserted one by one. Both tables have the trigger, so that a
# transaction without entries is refused too.
BALANCES = """
CREATE FUNCTION public.ledger_balances() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    subject uuid;
    entries bigint;
    unbalanced bigint;
BEGIN
    IF TG_TABLE_NAME = 'ledger_transactions' THEN
        subject := NEW.id;
    ELSE
        subject := NEW.transaction_id;
    END IF;
    SELECT coalesce(sum(n), 0), count(*) FILTER (WHERE total <> 0) INTO entries, unbalanced
    FROM (
        SELECT count(*) AS n, sum(amount_minor) AS total
        FROM public.ledger_entries WHERE transaction_id = subject GROUP BY currency
    ) AS by_currency;
    IF entries < 2 OR unbalanced > 0 THEN
        RAISE EXCEPTION 'ledger transaction % does not balance', subject
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balances', TABLE = 'ledger_entries';
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION public.ledger_balances() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON ledger_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.ledger_balances();
CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.ledger_balances();
"""

GRANTS = """
GRANT SELECT, INSERT ON ledger_transactions, ledger_entries TO {app};
GRANT SELECT ON ledger_transactions, ledger_entries TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(BALANCES)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE ledger_entries, ledger_transactions")
    op.execute("DROP FUNCTION ledger_balances")
