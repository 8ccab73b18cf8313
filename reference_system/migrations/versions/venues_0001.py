"""Venues, their services and bookable slots, and the function that counts a slot's places."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "venues_0001"
down_revision = None
branch_labels = ("venues",)

TABLES = """
CREATE TABLE venues (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    timezone text NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    rounding text NOT NULL CHECK (rounding IN ('half_up', 'half_even', 'half_down', 'up', 'down'))
);

CREATE TABLE services (
    id uuid PRIMARY KEY,
    venue_id uuid NOT NULL REFERENCES venues,
    name text NOT NULL,
    base_price_minor bigint NOT NULL CHECK (base_price_minor >= 0)
);
CREATE INDEX services_of_venue ON services (venue_id);

-- Triggers on holds and bookings count a slot's places in `taken`; the service itself may not write it.
-- The check refuses overselling by any writer.
CREATE TABLE slots (
    id uuid PRIMARY KEY,
    service_id uuid NOT NULL REFERENCES services,
    resource_no bigint NOT NULL CHECK (resource_no BETWEEN 0 AND 4611686018427387904),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    capacity integer NOT NULL,
    taken integer NOT NULL DEFAULT 0,
    price_minor bigint CHECK (price_minor >= 0),
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT slots_end_after_they_start CHECK (ends_at > starts_at),
    CONSTRAINT slots_taken_within_capacity CHECK (0 <= taken AND taken <= capacity),
    CONSTRAINT slots_of_a_resource_never_overlap EXCLUDE USING gist (
        int8range(resource_no, resource_no, '[]') WITH &&,
        tstzrange(starts_at, ends_at) WITH &&
    )
);
CREATE INDEX slots_of_service ON slots (service_id, starts_at);
"""

# Runs with the owner's rights, because the service may not write slots.taken. Rows are locked in the order of
# their ids, as in the service, so that two moves in opposite directions cannot deadlock.
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

GRANTS = """
GRANT SELECT, INSERT ON venues, services TO {app};
GRANT SELECT ON slots TO {app};
GRANT INSERT (id, service_id, resource_no, starts_at, ends_at, capacity, price_minor) ON slots TO {app};
GRANT UPDATE (capacity, price_minor, version) ON slots TO {app};
GRANT UPDATE (name, base_price_minor) ON services TO {app};
GRANT SELECT ON venues, services, slots TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(MOVE_PLACE)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE slots, services, venues")
    op.execute("DROP FUNCTION move_place")
