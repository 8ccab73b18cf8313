"""Idempotency keys: a request repeated with its key gets its first conclusive answer, byte for byte.

The record is written in the transaction of the effect, so both are durable or neither is. A request that
spans transactions (checkout's payment) first claims the key with a lease; after the lease has expired, a
repeat may continue the work.
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

from reference_system.booking.platform import error_handlers, problems
from reference_system.booking.platform.db import Database, UnitOfWork
from reference_system.booking.platform.db_errors import ConstraintViolated
from reference_system.booking.platform.problems import Kind, Problem

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
MAX_KEY_LENGTH = 255
CONCLUSIVE = frozenset({402, 409})
"""Statuses of refusals that depend on the request alone, not on its transport or its caller."""

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
    """A conclusive answer in its recorded form; `body` is JSON text."""

    status: int
    body: str

    def response(self, *, replayed: bool = False) -> Response:
        media_type = problems.MEDIA_TYPE if self.status >= 400 else "application/json"
        headers = {REPLAYED_HEADER: "true"} if replayed else {}
        return Response(self.body, self.status, headers, media_type)


@dataclass(frozen=True, slots=True)
class Claim:
    """The result of claiming a key.

    `new`: this request does the work from its start. `resumed`: another request began it and its lease has
    expired; this one continues where it stopped. `done`: `answer` is to be replayed.
    """

    state: Literal["new", "resumed", "done"]
    answer: Answer | None = None


def fingerprint(method: str, path: str, body: bytes) -> str:
    """Return the fingerprint of a request: hex SHA-256 of method, path and body."""
    return hashlib.sha256(b"\n".join((method.encode(), path.encode(), body))).hexdigest()


def checked(key: str | None, *, required: bool) -> str | None:
    """Return the `Idempotency-Key` header; raises Problem (400) if it is invalid or missing."""
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
    """Record the conclusive answer in the transaction of its effect; an existing answer is kept."""
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
    """Run the work of one transaction once per key; its answer or refusal is recorded and replayed.

    A refusal (a Problem with a status in CONCLUSIVE, or a constraint registered with `refuse`) rolls the
    work back and is recorded separately. Raises any other error of `work`, and the errors of `claim`.
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
        problem = error if isinstance(error, Problem) else error_handlers.refusal(error)
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
