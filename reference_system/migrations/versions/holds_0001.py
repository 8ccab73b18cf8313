"""Holds, and the trigger that counts the place of each."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "holds_0001"
down_revision = None
branch_labels = ("holds",)
depends_on = ("checkout_0001",)

TABLES = """
-- A hold takes a place until it is released; from `expires_at` on the expiry job may release it.
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
"""

TAKE_PLACE = """
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
GRANT SELECT, INSERT ON holds TO {app};
GRANT UPDATE (expires_at, released_at) ON holds TO {app};
GRANT SELECT ON holds TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(TAKE_PLACE)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE holds")
    op.execute("DROP FUNCTION holds_take_place")
