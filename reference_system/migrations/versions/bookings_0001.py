"""Bookings, and the trigger that counts the place of each."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "bookings_0001"
down_revision = None
branch_labels = ("bookings",)
depends_on = ("checkout_0001",)

TABLES = """
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

TAKE_PLACE = """
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

GRANTS = """
GRANT SELECT, INSERT ON bookings TO {app};
GRANT UPDATE (slot_id, status, cancelled_at, version) ON bookings TO {app};
GRANT SELECT ON bookings TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(TAKE_PLACE)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE bookings")
    op.execute("DROP FUNCTION bookings_take_place")
