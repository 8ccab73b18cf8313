"""What is offered: venues, their services, bookable slots, and the rules that move prices."""

from __future__ import annotations

from alembic import op

from reference_system.migrations import roles

revision = "0002"
down_revision = "0001"

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

-- A slot's places are counted in `taken` by triggers on holds and bookings; the service itself may
-- not write it. The check refuses overselling, whoever tries.
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

CREATE TABLE price_rules (
    id uuid PRIMARY KEY,
    scope text NOT NULL CHECK (scope IN ('slot', 'service', 'venue')),
    scope_id uuid NOT NULL,
    percent numeric NOT NULL CHECK (percent BETWEEN -100 AND 1000),
    active boolean NOT NULL DEFAULT true
);
CREATE INDEX price_rules_in_force ON price_rules (scope, scope_id) WHERE active;
"""

GRANTS = """
GRANT SELECT, INSERT ON venues, services, price_rules TO {app};
GRANT SELECT ON slots TO {app};
GRANT INSERT (id, service_id, resource_no, starts_at, ends_at, capacity, price_minor) ON slots TO {app};
GRANT UPDATE (capacity, price_minor, version) ON slots TO {app};
GRANT UPDATE (name, base_price_minor) ON services TO {app};
GRANT UPDATE (active) ON price_rules TO {app};
GRANT SELECT ON venues, services, slots, price_rules TO {observer};
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS.format(app=roles.app(), observer=roles.observer()))


def downgrade() -> None:
    op.execute("DROP TABLE price_rules, slots, services, venues")
