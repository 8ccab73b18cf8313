"""The imports of a scenario: every name of Overbooked that it may use.

The modules behind these names may move; the names here stay.
"""

from __future__ import annotations

from overbooked import gap, properties
from overbooked.bursts.bursts import Bursts
from overbooked.capabilities.checkout import Settlement
from overbooked.capabilities.differences import AGES_S, DAY_S, METHODS, RecordShape
from overbooked.capabilities.durable_state import DurableState
from overbooked.capabilities.pricing import PRICING
from overbooked.capabilities.reconciliation import Discrepancy, ReconciliationReport, Wanted
from overbooked.capabilities.webhooks import WEBHOOKS, BadEvent, ProviderEvent
from overbooked.concurrency import run_all as together
from overbooked.errors import GapFound, HarnessError
from overbooked.fault_points.points import KILLS, OUTAGES, SILENCES
from overbooked.fault_points.registry import swept
from overbooked.fault_points.scenario_sweeps import Sweeps
from overbooked.fault_points.sweep import quotas_from
from overbooked.faults.base import at_once
from overbooked.faults.faults import Faults
from overbooked.faults.kill_at_message import count_messages, kill_at_message
from overbooked.faults.message_faults import FaultAtMessage
from overbooked.interleavings.explorer import Explorer
from overbooked.interleavings.results import ExplorationResult
from overbooked.interleavings.scheduler.actors import Actor
from overbooked.interleavings.scheduler.race import RaceResult, Races
from overbooked.journeys.altered_deliveries import altered
from overbooked.journeys.aspects import ANSWERS, BOOKS, HOLDS, MONEY
from overbooked.journeys.buying import Purchase, begin_checkout, buy, repeat_payment
from overbooked.journeys.checkout_sweep import CheckoutJourney
from overbooked.journeys.interrupted_checkout import (
    booking_methods,
    is_bought,
    log_in_afresh,
    quoted_price,
    read_checkout,
    requests_of_checkout,
    settles_later,
    strangers_requests,
    try_request,
)
from overbooked.journeys.methods import payment_methods, transfers_arrive
from overbooked.journeys.payments_in_flight import AUTHORISED, CAPTURED, PaymentInFlight, reach_their_moments
from overbooked.journeys.planted_discrepancies import (
    EVERY_KIND,
    PlantedDiscrepancies,
    at_edges,
    combinations,
    few,
    in_turn,
    plant,
    sample,
    settle_and_hold,
    slot_of,
)
from overbooked.journeys.purchases import LATER_S, Purchases
from overbooked.journeys.reconciliation_sweep import (
    LEFT_TO_A_PERSON,
    LOCAL,
    OTHERS,
    REFUNDS,
    REPAIRS,
    ReconciliationJourney,
)
from overbooked.journeys.slot_races import ROOM, SlotRace, can_run, is_contested
from overbooked.journeys.undelivered_payments import (
    PaymentStory,
    UndeliveredPayment,
    pay_undelivered,
    state_of,
    stories,
    tell,
    tell_all,
)
from overbooked.journeys.webhook_sweep import WebhookJourney
from overbooked.matrix import Sample
from overbooked.observe.memory import peak_memory
from overbooked.observe.polling import eventually, until
from overbooked.observe.sampler import Onlooker
from overbooked.oracles.answers import (
    accepted,
    describe,
    one_outcome,
    others_refused,
    refused_with,
    same_answer,
)
from overbooked.oracles.capacity import never_oversold, no_place_lost, sold_at_most
from overbooked.oracles.checkouts import bought_once, no_refusal_after_capture, same_checkout, survives
from overbooked.oracles.effects import exactly_once, never_backwards, nothing_changed
from overbooked.oracles.ledger import posted_alike
from overbooked.oracles.linearizability import linearizable
from overbooked.oracles.money import (
    charged,
    charged_once,
    money_matches_bookings,
    nothing_charged,
    paid_bookings,
)
from overbooked.oracles.once import exactly_one_exists
from overbooked.oracles.payments import given_up, recorded_once, same_records, states_fit_amounts
from overbooked.oracles.prices import never_dearer, new_price_told, price_kept
from overbooked.oracles.reconciliation import finds_exactly, finds_nothing
from overbooked.oracles.repairs import frees_its_place, left_to_a_person, repaired, untouched
from overbooked.profiles.budget import Budget
from overbooked.properties import Delivery, deliveries, money
from overbooked.sampling import moments, sample_of
from overbooked.stacks.base.protocol import Stack
from overbooked.system.customer import Customer
from overbooked.system.system import System
from overbooked.targets.adapter import Action, Answer, CheckoutStep, Money, Slot
from overbooked.targets.errors import TargetError
from overbooked.toxiproxy.toxics import Stream
from overbooked.verdicts.judge import Judge
from overbooked.wire.gate.boundary import FaultKind

__all__ = [
    "AGES_S",
    "ANSWERS",
    "AUTHORISED",
    "BOOKS",
    "CAPTURED",
    "DAY_S",
    "EVERY_KIND",
    "HOLDS",
    "KILLS",
    "LATER_S",
    "LEFT_TO_A_PERSON",
    "LOCAL",
    "METHODS",
    "MONEY",
    "OTHERS",
    "OUTAGES",
    "PRICING",
    "REFUNDS",
    "REPAIRS",
    "ROOM",
    "SILENCES",
    "WEBHOOKS",
    "Action",
    "Actor",
    "Answer",
    "BadEvent",
    "Budget",
    "Bursts",
    "CheckoutJourney",
    "CheckoutStep",
    "Customer",
    "Delivery",
    "Discrepancy",
    "DurableState",
    "ExplorationResult",
    "Explorer",
    "FaultAtMessage",
    "FaultKind",
    "Faults",
    "GapFound",
    "HarnessError",
    "Judge",
    "Money",
    "Onlooker",
    "PaymentInFlight",
    "PaymentStory",
    "PlantedDiscrepancies",
    "ProviderEvent",
    "Purchase",
    "Purchases",
    "RaceResult",
    "Races",
    "ReconciliationJourney",
    "ReconciliationReport",
    "RecordShape",
    "Sample",
    "Settlement",
    "Slot",
    "SlotRace",
    "Stack",
    "Stream",
    "Sweeps",
    "System",
    "TargetError",
    "UndeliveredPayment",
    "Wanted",
    "WebhookJourney",
    "accepted",
    "altered",
    "at_edges",
    "at_once",
    "begin_checkout",
    "booking_methods",
    "bought_once",
    "buy",
    "can_run",
    "charged",
    "charged_once",
    "combinations",
    "count_messages",
    "deliveries",
    "describe",
    "eventually",
    "exactly_once",
    "exactly_one_exists",
    "few",
    "finds_exactly",
    "finds_nothing",
    "frees_its_place",
    "gap",
    "given_up",
    "in_turn",
    "is_bought",
    "is_contested",
    "kill_at_message",
    "left_to_a_person",
    "linearizable",
    "log_in_afresh",
    "moments",
    "money",
    "money_matches_bookings",
    "never_backwards",
    "never_dearer",
    "never_oversold",
    "new_price_told",
    "no_place_lost",
    "no_refusal_after_capture",
    "nothing_changed",
    "nothing_charged",
    "one_outcome",
    "others_refused",
    "paid_bookings",
    "pay_undelivered",
    "payment_methods",
    "peak_memory",
    "plant",
    "posted_alike",
    "price_kept",
    "properties",
    "quotas_from",
    "quoted_price",
    "reach_their_moments",
    "read_checkout",
    "recorded_once",
    "refused_with",
    "repaired",
    "repeat_payment",
    "requests_of_checkout",
    "same_answer",
    "same_checkout",
    "same_records",
    "sample",
    "sample_of",
    "settle_and_hold",
    "settles_later",
    "slot_of",
    "sold_at_most",
    "state_of",
    "states_fit_amounts",
    "stories",
    "strangers_requests",
    "survives",
    "swept",
    "tell",
    "tell_all",
    "together",
    "transfers_arrive",
    "try_request",
    "until",
    "untouched",
]
