"""What a scenario imports: everything it may use of Overbooked, and nothing else.

The modules behind these names may move; the names here stay.
"""

from __future__ import annotations

from overbooked import gap, properties
from overbooked.bursts.bursts import Races
from overbooked.bursts.odds import Played, Round
from overbooked.errors import GapFound, HarnessError
from overbooked.fault_points.points import KILLS
from overbooked.fault_points.sweep import quotas_of, ruled_sweep
from overbooked.faults.message_faults import AtMessage
from overbooked.faults.together import at_once
from overbooked.faults.toolbox import Faults
from overbooked.interleavings.explorer import Explore
from overbooked.interleavings.scheduler.actors import Actor
from overbooked.interleavings.scheduler.race import Race, Ran
from overbooked.journeys.aspects import ANSWERS, BOOKS, HOLDS, MONEY
from overbooked.journeys.buying import Purchase, begins, buys, repeats
from overbooked.journeys.checkout_sweep import CheckoutJourney
from overbooked.journeys.planted_discrepancies import EVERY_KIND, Planted, plant, quiet, slot_of
from overbooked.journeys.purchases import Purchases
from overbooked.journeys.reconciliation_sweep import OTHERS, REFUNDS, REPAIRS, ReconciliationJourney
from overbooked.journeys.registry import OF_OTHERS, OF_REFUNDS
from overbooked.journeys.undelivered_payments import Unheard, pays_unheard
from overbooked.journeys.webhook_sweep import WebhookJourney
from overbooked.observe.memory import peak_memory
from overbooked.observe.polling import eventually, until
from overbooked.observe.sampler import Onlooker
from overbooked.oracles.answers import accepted, losers_are_told, one_outcome, refused_with, same_answer, told
from overbooked.oracles.capacity import never_oversold, sold_at_most
from overbooked.oracles.checkouts import no_refusal_after_capture, survives
from overbooked.oracles.effects import exactly_once, never_backwards, nothing_changed
from overbooked.oracles.linearizability import linearizable
from overbooked.oracles.money import (
    charged,
    charged_once,
    money_matches_bookings,
    nothing_charged,
    paid_bookings,
)
from overbooked.oracles.once import exactly_one_exists
from overbooked.oracles.payments import alike, states_fit_amounts, told_once
from overbooked.oracles.prices import never_dearer, new_price_told
from overbooked.oracles.reconciliation import finds_exactly, finds_nothing
from overbooked.oracles.repairs import FREES_ITS_PLACE, LEFT_TO_A_PERSON, left_to_a_person, repaired
from overbooked.profiles.budget import Budget
from overbooked.properties import Delivery, deliveries, money
from overbooked.sampling import moments
from overbooked.stacks.base.protocol import Stack
from overbooked.stacks.together import together
from overbooked.targets.adapter import (
    Action,
    Answer,
    Discrepancy,
    DurableState,
    Money,
    ProviderEvent,
    ReconciliationReport,
    Slot,
)
from overbooked.targets.errors import TargetFailed
from overbooked.targets.person import Person
from overbooked.targets.system import System
from overbooked.toxiproxy.toxics import Stream
from overbooked.verdicts.judge import Judge
from overbooked.wire.gate.boundary import FaultKind

__all__ = [
    "ANSWERS",
    "BOOKS",
    "EVERY_KIND",
    "FREES_ITS_PLACE",
    "HOLDS",
    "KILLS",
    "LEFT_TO_A_PERSON",
    "MONEY",
    "OF_OTHERS",
    "OF_REFUNDS",
    "OTHERS",
    "REFUNDS",
    "REPAIRS",
    "Action",
    "Actor",
    "Answer",
    "AtMessage",
    "Budget",
    "CheckoutJourney",
    "Delivery",
    "Discrepancy",
    "DurableState",
    "Explore",
    "FaultKind",
    "Faults",
    "GapFound",
    "HarnessError",
    "Judge",
    "Money",
    "Onlooker",
    "Person",
    "Planted",
    "Played",
    "ProviderEvent",
    "Purchase",
    "Purchases",
    "Race",
    "Races",
    "Ran",
    "ReconciliationJourney",
    "ReconciliationReport",
    "Round",
    "Slot",
    "Stack",
    "Stream",
    "System",
    "TargetFailed",
    "Unheard",
    "WebhookJourney",
    "accepted",
    "alike",
    "at_once",
    "begins",
    "buys",
    "charged",
    "charged_once",
    "deliveries",
    "eventually",
    "exactly_once",
    "exactly_one_exists",
    "finds_exactly",
    "finds_nothing",
    "gap",
    "left_to_a_person",
    "linearizable",
    "losers_are_told",
    "moments",
    "money",
    "money_matches_bookings",
    "never_backwards",
    "never_dearer",
    "never_oversold",
    "new_price_told",
    "no_refusal_after_capture",
    "nothing_changed",
    "nothing_charged",
    "one_outcome",
    "paid_bookings",
    "pays_unheard",
    "peak_memory",
    "plant",
    "properties",
    "quiet",
    "quotas_of",
    "refused_with",
    "repaired",
    "repeats",
    "ruled_sweep",
    "same_answer",
    "slot_of",
    "sold_at_most",
    "states_fit_amounts",
    "survives",
    "together",
    "told",
    "told_once",
    "until",
]
