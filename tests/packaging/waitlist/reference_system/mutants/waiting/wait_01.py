"""WAIT-01, the waitlist: a customer waits twice."""

from __future__ import annotations

from reference_system.booking.waitlist import store

from reference_system.mutants.mutant import Mutant

joined_twice = Mutant(
    "WAIT-01.1",
    "A customer that joins twice waits twice, and is offered two places.",
    schema=("ALTER TABLE waitlist_entries DROP CONSTRAINT waitlist_once",),
)
joined_twice.edit(store.JOIN, " ON CONFLICT (slot_id, customer_id) DO NOTHING", "")
