"""Idempotency keys: a request repeated with its key gets its first conclusive answer, byte for byte.

The record is written in the transaction that decides, so that an answer is recorded exactly when
its effect is durable. A request that spans transactions (checkout's payment) claims the key with a
lease first; once the lease is over a repeat may take the work up where it was left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any, Literal
from uuid import UUID

from starlette.responses import Response

from reference_system.booking import failures, problems
from reference_system.booking.db import Database, UnitOfWork
from reference_system.booking.db_errors import ConstraintViolated
from reference_system.booking.problems import Kind, Problem

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
MAX_KEY_LENGTH = 255
CONCLUSIVE = frozenset({402, 409})
"""Refusals that are the answer to a request, and not to how or by whom it was made."""

KEY_REUSED = Kind("idempotency-key-reused", 422, "This key was used for another request")
KEY_REQUIRED = Kind("idempotency-key-required", 400, "This request needs an Idempotency-Key header")
KEY_INVALID = Kind("idempotency-key-invalid", 400, "An idempotency key has 1 to 255 characters")
IN_PROGRESS = Kind("in-progress", 409, "The first request with this key is still running")

CLAIM = """
INSERT INTO idempotency_keys (customer_id, key, fingerprint, state, lease_until, created_at)
VALUES (:customer_id, :key, :fingerprint, 'running', :lease_until, :now)
ON CONFLICT (customer_id, key) DO NOTHING
"""
LOCK = """
SELECT fingerprint, state, status, body, lease_until FROM idempotency_keys
WHERE customer_id = :customer_id AND key = :key
FOR UPDATE
"""
EXTEND = """
UPDATE idempotency_keys SET lease_until = :lease_until WHERE customer_id = :customer_id AND key = :key
"""
FINISH = """
UPDATE idempotency_keys SET state = 'done', status = :status, body = :body, lease_until = NULL
WHERE customer_id = :customer_id AND key = :key AND state = 'running'
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """A conclusive answer as it was, or will be, recorded; `body` is JSON text."""

    status: int
    body: str

    def response(self, *, replayed: bool = False) -> Response:
        media_type = problems.MEDIA_TYPE if self.status >= 400 else "application/json"
        headers = {REPLAYED_HEADER: "true"} if replayed else {}
        return Response(self.body, self.status, headers, media_type)


@dataclass(frozen=True, slots=True)
class Claim:
    """What claiming a key found.

    `new`: the work is ours, from its start. `resumed`: somebody began it and his lease is over;
    it is ours now, from wherever he left it. `done`: `answer` is to be replayed.
    """

    state: Literal["new", "resumed", "done"]
    answer: Answer | None = None


def fingerprint(method: str, path: str, body: bytes) -> str:
    """What makes two requests the same request: hex SHA-256 of method, path and body."""
    return hashlib.sha256(b"\n".join((method.encode(), path.encode(), body))).hexdigest()


def checked(key: str | None, *, required: bool) -> str | None:
    """The `Idempotency-Key` header if it can be used; raises Problem (400)."""
    if key is None:
        if required:
            raise Problem(KEY_REQUIRED)
        return None
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        raise Problem(KEY_INVALID)
    return key


async def claim(
    uow: UnitOfWork,
    *,
    customer_id: UUID,
    key: str,
    fingerprint: str,
    now: datetime,
    lease_until: datetime | None = None,
) -> Claim:
    """Claim a key for a request, until `lease_until` (None: until the transaction ends).

    Raises Problem: KEY_REUSED (422) for another request's key, IN_PROGRESS (409, with Retry-After)
    while the first request's lease lives.
    """
    inserted = await uow.execute(
        CLAIM,
        customer_id=customer_id,
        key=key,
        fingerprint=fingerprint,
        lease_until=lease_until,
        now=now,
    )
    if inserted:
        return Claim("new")
    row = await uow.one(LOCK, customer_id=customer_id, key=key)
    if row.fingerprint != fingerprint:
        raise Problem(KEY_REUSED)
    if row.state == "done":
        return Claim("done", Answer(row.status, row.body))
    if row.lease_until is not None and row.lease_until > now:
        wait_s = ceil((row.lease_until - now).total_seconds())
        raise Problem(IN_PROGRESS, headers={"Retry-After": str(wait_s)})
    await uow.execute(EXTEND, customer_id=customer_id, key=key, lease_until=lease_until)
    return Claim("resumed")


async def finish(uow: UnitOfWork, *, customer_id: UUID, key: str, answer: Answer) -> None:
    """Record the conclusive answer in the transaction that decided it; the first one stays."""
    await uow.execute(FINISH, customer_id=customer_id, key=key, status=answer.status, body=answer.body)


async def once(
    database: Database,
    *,
    customer_id: UUID,
    key: str,
    fingerprint: str,
    now: datetime,
    work: Callable[[UnitOfWork], Awaitable[Answer]],
) -> Response:
    """Do work of one transaction once a key: its answer, or its refusal, is recorded and replayed.

    A refusal (a Problem with a status of CONCLUSIVE, or a constraint that says the same) undoes the
    work and is recorded by itself. Raises what `work` raises otherwise, and what `claim` does.
    """
    claiming: dict[str, Any] = {
        "customer_id": customer_id,
        "key": key,
        "fingerprint": fingerprint,
        "now": now,
    }

    async def attempt(uow: UnitOfWork) -> Response:
        claimed = await claim(uow, **claiming)
        if claimed.answer is not None:
            return claimed.answer.response(replayed=True)
        answer = await work(uow)
        await finish(uow, customer_id=customer_id, key=key, answer=answer)
        return answer.response()

    try:
        return await database.run(attempt)
    except (Problem, ConstraintViolated) as error:
        problem = error if isinstance(error, Problem) else failures.refusal(error)
        if problem is None or problem.status not in CONCLUSIVE or problem.kind is IN_PROGRESS:
            raise
        refusal = Answer(problem.status, problem.body())

    async def record(uow: UnitOfWork) -> Response:
        claimed = await claim(uow, **claiming)
        if claimed.answer is not None:
            return claimed.answer.response(replayed=True)
        await finish(uow, customer_id=customer_id, key=key, answer=refusal)
        return refusal.response()

    return await database.run(record)
