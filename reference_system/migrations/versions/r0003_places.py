"""Who has a place: price locks, checkouts, holds and bookings, and the triggers that count places."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "0003"
down_revision = "0002"

TABLES = """
CREATE TABLE price_locks (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customers,
    slot_id uuid NOT NULL REFERENCES slots,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    expires_at timestamptz NOT NULL,
    checkout_id uuid CONSTRAINT price_locks_one_a_checkout UNIQUE
);

CREATE TABLE checkouts (
    id uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customers,
    slot_id uuid NOT NULL REFERENCES slots,
    price_lock_id uuid NOT NULL REFERENCES price_locks CONSTRAINT checkouts_price_lock_once UNIQUE,
    state text NOT NULL CHECK (
        state IN ('open', 'paying', 'processing', 'booked', 'declined', 'failed', 'expired')
    ),
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    details jsonb NOT NULL DEFAULT '{}',
    pay_key text,
    method text CHECK (method IN ('card', 'bank')),
    lease_until timestamptz,
    outcome jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX checkouts_of_customer ON checkouts (customer_id, created_at);
CREATE INDEX checkouts_unfinished ON checkouts (state, lease_until)
    WHERE state IN ('open', 'paying', 'processing');
ALTER TABLE price_locks ADD FOREIGN KEY (checkout_id) REFERENCES checkouts;

-- A hold takes a place until it is released; `expires_at` says when the expiry job may do that.
CREATE TABLE holds (
    id uuid PRIMARY KEY,
    slot_id uuid NOT NULL REFERENCES slots,
    customer_id uuid NOT NULL REFERENCES customers,
    checkout_id uuid REFERENCES checkouts CONSTRAINT holds_one_a_checkout UNIQUE,
    expires_at timestamptz NOT NULL,
    released_at timestamptz
);
CREATE INDEX holds_live_on_slot ON holds (slot_id) WHERE released_at IS NULL;
CREATE INDEX holds_live_by_expiry ON holds (expires_at) WHERE released_at IS NULL;

CREATE TABLE bookings (
    id uuid PRIMARY KEY,
    slot_id uuid NOT NULL REFERENCES slots,
    customer_id uuid NOT NULL REFERENCES customers,
    checkout_id uuid REFERENCES checkouts CONSTRAINT bookings_one_a_checkout UNIQUE,
    status text NOT NULL CHECK (status IN ('confirmed', 'cancelled')),
    created_at timestamptz NOT NULL,
    cancelled_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT bookings_cancelled_have_a_time CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL))
);
CREATE INDEX bookings_on_slot ON bookings (slot_id) WHERE status = 'confirmed';
CREATE INDEX bookings_of_customer ON bookings (customer_id, created_at);
"""

# Runs with the owner's rights: the service may not write slots.taken. Rows are locked in the order
# of their ids, as the service does, so that two moves in opposite directions cannot deadlock.
MOVE_PLACE = """
CREATE FUNCTION public.move_place(leaves uuid, enters uuid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF leaves IS NOT DISTINCT FROM enters THEN
        RETURN;
    END IF;
    PERFORM 1 FROM public.slots WHERE id IN (leaves, enters) ORDER BY id FOR NO KEY UPDATE;
    UPDATE public.slots SET taken = taken - 1, version = version + 1 WHERE id = leaves;
    UPDATE public.slots SET taken = taken + 1, version = version + 1 WHERE id = enters;
END $$;
REVOKE EXECUTE ON FUNCTION public.move_place(uuid, uuid) FROM PUBLIC;
"""

BOOKINGS_TAKE_PLACE = """
CREATE FUNCTION public.bookings_take_place() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    leaves uuid;
    enters uuid;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status = 'cancelled' AND NEW.status <> 'cancelled' THEN
        RAISE EXCEPTION 'a cancelled booking stays cancelled'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'bookings_cancelled_is_final', TABLE = 'bookings';
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.status = 'confirmed' THEN
        leaves := OLD.slot_id;
    END IF;
    IF NEW.status = 'confirmed' THEN
        enters := NEW.slot_id;
    END IF;
    PERFORM public.move_place(leaves, enters);
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION public.bookings_take_place() FROM PUBLIC;
CREATE TRIGGER bookings_take_place AFTER INSERT OR UPDATE OF slot_id, status ON bookings
    FOR EACH ROW EXECUTE FUNCTION public.bookings_take_place();
"""

HOLDS_TAKE_PLACE = """
CREATE FUNCTION public.holds_take_place() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    leaves uuid;
    enters uuid;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.released_at IS NULL THEN
        leaves := OLD.slot_id;
    END IF;
    IF NEW.released_at IS NULL THEN
        enters := NEW.slot_id;
    END IF;
    PERFORM public.move_place(leaves, enters);
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION public.holds_take_place() FROM PUBLIC;
CREATE TRIGGER holds_take_place AFTER INSERT OR UPDATE OF slot_id, released_at ON holds
    FOR EACH ROW EXECUTE FUNCTION public.holds_take_place();
"""

GRANTS = """
GRANT SELECT, INSERT ON price_locks, checkouts, holds, bookings TO {app};
GRANT UPDATE (checkout_id) ON price_locks TO {app};
GRANT UPDATE (state, details, pay_key, method, lease_until, outcome, updated_at) ON checkouts TO {app};
GRANT UPDATE (expires_at, released_at) ON holds TO {app};
GRANT UPDATE (slot_id, status, cancelled_at, version) ON bookings TO {app};
GRANT SELECT ON price_locks, checkouts, holds, bookings TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(MOVE_PLACE)
    op.execute(BOOKINGS_TAKE_PLACE)
    op.execute(HOLDS_TAKE_PLACE)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE bookings, holds, checkouts, price_locks CASCADE")
    op.execute("DROP FUNCTION bookings_take_place, holds_take_place, move_place")
