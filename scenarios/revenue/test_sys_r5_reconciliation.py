"""SYS-R5: provider and service disagree; reconciliation finds it, repairs what it may, and only that."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

from harness import gap
from harness.errors import GapFound
from harness.explore.memory import peak_memory
from harness.explore.moments import moments
from harness.faults.toolbox import Faults
from harness.oracles.answers import accepted
from harness.oracles.effects import nothing_changed
from harness.oracles.reconciliation import finds_exactly
from harness.oracles.repairs import LEFT_TO_A_PERSON, dealt_with, left_to_a_person, repaired
from harness.profiles.budget import Budget
from harness.stacks.protocol import Stack
from harness.targets.port import DISCREPANCIES, Discrepancy, DurableState, Money, Slot
from harness.targets.system import System
from harness.targets.transport import TargetFailed
from harness.verdicts.judge import Judge

# Beyond this a run that looks at more records takes more memory because of them: one kept whole
# takes some kilobytes, and there are tens of thousands of them.
GROWTH_LIMIT_BYTES = 16 * 2**20
