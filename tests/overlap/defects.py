"""Ten ways to book the last place twice by a single autocommit statement, and a correct twin of each.

`$1` is the slot, `$2` the customer. A statement books if its first row's first value is true. Each variant
has a database of its own with the tables `slots` and `bookings`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TABLES = """
CREATE TABLE slots (id text PRIMARY KEY, capacity int NOT NULL, taken int NOT NULL DEFAULT 0);
CREATE TABLE bookings (slot text NOT NULL REFERENCES slots, who text NOT NULL, seat int);
"""
_ONE_A_SLOT = "CREATE UNIQUE INDEX bookings_one_a_slot ON bookings (slot);"
_TAKEN = "(SELECT count(*) FROM bookings WHERE slot = $1)"
_CAPACITY = "(SELECT capacity FROM slots WHERE id = $1)"
_INSERT = "INSERT INTO bookings (slot, who)"


@dataclass(frozen=True, slots=True)
class Variant:
    """A service.

    Args:
        sql: the statement that books.
        schema: further schema besides the tables.
        first: a statement before it in the same transaction; "": none, and no BEGIN.
        script: `sql` is several statements without parameters, sent as one simple Query with the values
            written into it; it books if the last of them touches a row.
        counts_rows: whether every accepted customer has a row in `bookings`.
    """

    sql: str
    schema: str = ""
    first: str = ""
    script: bool = False
    counts_rows: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """A defect and its correct twin."""

    name: str
    defect: Variant
    twin: Variant


CASES: Sequence[Case] = (
    Case(
        "check and insert",
        Variant(f"{_INSERT} SELECT $1, $2 WHERE {_TAKEN} < {_CAPACITY} RETURNING true"),
        Variant(
            "WITH place AS (UPDATE slots SET taken = taken + 1 WHERE id = $1 AND taken < capacity "
            f"RETURNING id) {_INSERT} SELECT id, $2 FROM place RETURNING true"
        ),
    ),
    Case(
        "NOT EXISTS",
        Variant(
            f"{_INSERT} SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM bookings WHERE slot = $1) RETURNING true"
        ),
        Variant(
            f"{_INSERT} SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM bookings WHERE slot = $1) "
            "ON CONFLICT (slot) DO NOTHING RETURNING true",
            _ONE_A_SLOT,
        ),
    ),
    Case(
        "a count with a limit",
        Variant(
            "INSERT INTO bookings (slot, who, seat) SELECT $1, $2, count(*) + 1 FROM bookings "
            f"WHERE slot = $1 HAVING count(*) < {_CAPACITY} RETURNING true"
        ),
        Variant(
            "INSERT INTO bookings (slot, who, seat) SELECT $1, $2, count(*) + 1 FROM bookings "
            f"WHERE slot = $1 HAVING count(*) < {_CAPACITY} RETURNING true",
            "CREATE UNIQUE INDEX bookings_one_a_seat ON bookings (slot, seat);",
        ),
    ),
    Case(
        "an upsert without its constraint",
        Variant(
            f"{_INSERT} SELECT $1, $2 WHERE {_TAKEN} = 0 ON CONFLICT DO NOTHING RETURNING true",
            "CREATE INDEX bookings_by_slot ON bookings (slot);",
        ),
        Variant(f"{_INSERT} VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true", _ONE_A_SLOT),
    ),
    Case(
        "SELECT FOR UPDATE over a stale subquery",
        Variant(
            "WITH place AS (SELECT id, capacity, "
            "(SELECT count(*) FROM bookings WHERE slot = slots.id) AS sold "
            f"FROM slots WHERE id = $1 FOR UPDATE) {_INSERT} SELECT id, $2 FROM place WHERE sold < capacity "
            "RETURNING true"
        ),
        Variant(
            f"{_INSERT} SELECT $1, $2 WHERE {_TAKEN} < {_CAPACITY} RETURNING true",
            first="SELECT id FROM slots WHERE id = $1 FOR UPDATE",
        ),
    ),
    Case(
        "a counter from a subselect",
        Variant(
            "UPDATE slots SET taken = (SELECT taken FROM slots WHERE id = $1) + 1 WHERE id = $1 "
            f"AND (SELECT taken FROM slots WHERE id = $1) < {_CAPACITY} AND $2 <> '' RETURNING true",
            counts_rows=False,
        ),
        Variant(
            "UPDATE slots SET taken = taken + 1 WHERE id = $1 AND taken < capacity AND $2 <> '' "
            "RETURNING true",
            counts_rows=False,
        ),
    ),
    Case(
        "two statements in one simple query",
        Variant(
            f"{_INSERT} SELECT $1, $2 WHERE {_TAKEN} < {_CAPACITY}; "
            f"UPDATE slots SET taken = {_TAKEN} WHERE id = $1 "
            "AND EXISTS (SELECT FROM bookings WHERE slot = $1 AND who = $2)",
            script=True,
        ),
        Variant(
            "SELECT id FROM slots WHERE id = $1 FOR UPDATE; "
            f"{_INSERT} SELECT $1, $2 WHERE {_TAKEN} < {_CAPACITY}",
            script=True,
        ),
    ),
    Case(
        "a data-modifying CTE",
        Variant(
            "WITH place AS (UPDATE slots SET taken = taken + 1 WHERE id = $1 RETURNING id) "
            f"{_INSERT} SELECT id, $2 FROM place WHERE (SELECT taken FROM slots WHERE id = $1) < {_CAPACITY} "
            "RETURNING true"
        ),
        Variant(
            "WITH place AS (UPDATE slots SET taken = taken + 1 WHERE id = $1 RETURNING id, taken, capacity) "
            f"{_INSERT} SELECT id, $2 FROM place WHERE taken <= capacity RETURNING true"
        ),
    ),
    Case(
        "a function called by SELECT",
        Variant(
            "SELECT book($1, $2)",
            """
CREATE FUNCTION book(wanted text, customer text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM bookings WHERE slot = wanted)
            >= (SELECT capacity FROM slots WHERE id = wanted) THEN
        RETURN false;
    END IF;
    INSERT INTO bookings (slot, who) VALUES (wanted, customer);
    RETURN true;
END $$;
""",
        ),
        Variant(
            "SELECT book($1, $2)",
            """
CREATE FUNCTION book(wanted text, customer text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM slots WHERE id = wanted FOR UPDATE;
    IF (SELECT count(*) FROM bookings WHERE slot = wanted)
            >= (SELECT capacity FROM slots WHERE id = wanted) THEN
        RETURN false;
    END IF;
    INSERT INTO bookings (slot, who) VALUES (wanted, customer);
    RETURN true;
END $$;
""",
        ),
    ),
    Case(
        "INSERT from a view",
        Variant(
            f"{_INSERT} SELECT id, $2 FROM free WHERE id = $1 RETURNING true",
            "CREATE VIEW free AS SELECT id FROM slots "
            "WHERE (SELECT count(*) FROM bookings WHERE slot = slots.id) < capacity;",
        ),
        Variant(
            f"{_INSERT} SELECT id, $2 FROM free WHERE id = $1 RETURNING true",
            "CREATE VIEW free AS SELECT id FROM slots "
            f"WHERE (SELECT count(*) FROM bookings WHERE slot = slots.id) < capacity; {_ONE_A_SLOT}",
        ),
    ),
)
