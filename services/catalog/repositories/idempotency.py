"""Answers that were given under an idempotency key."""

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import delete, func, select, tuple_

from heliograph.database import Session, database_now
from services.catalog.errors import KeyInUse, KeyReused
from services.catalog.models import StoredAnswer
from services.catalog.repositories.announcing import now

KEPT = timedelta(hours=24)
"""For how long a request can be sent again; its answer may stay a little longer."""


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request under its `Idempotency-Key`; a key counts per subject, method and path."""

    subject: str
    method: str
    path: str
    key: str
    fingerprint: bytes = field(compare=False)
    """SHA-256 of the payload: the same key over another payload is a mistake."""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        return (self.subject, self.method, self.path, self.key)

    @property
    def lock(self) -> int:
        """A number of 64 bits that stands for the identity."""
        digest = hashlib.sha256("\n".join(self.identity).encode()).digest()
        return int.from_bytes(digest[:8], signed=True)


class IdempotencyRepository:
    """Stores each answer in the transaction that it tells of."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def claim(self, request: KeyedRequest) -> StoredAnswer | None:
        """Take the key until the transaction ends; return the answer if it was given before.

        Raises `KeyInUse` while another transaction has the key, and `KeyReused`.
        """
        # SQLite needs no lock of ours: who writes there is alone.
        if self.session.get_bind().dialect.name == "postgresql":
            lock = func.pg_try_advisory_xact_lock(request.lock)
            if not await self.session.scalar(select(lock)):
                raise KeyInUse
        return await self.find(request)

    async def find(self, request: KeyedRequest) -> StoredAnswer | None:
        """Look for an answer that was given before; raise `KeyReused`."""
        stored = await self.session.get(StoredAnswer, request.identity)
        if stored is not None and stored.fingerprint != request.fingerprint:
            raise KeyReused
        return stored

    def keep(
        self, request: KeyedRequest, *, status: int, headers: dict[str, str], body: bytes
    ) -> None:
        """Store the answer to a request whose key this transaction has."""
        self.session.add(
            StoredAnswer(
                subject=request.subject,
                method=request.method,
                path=request.path,
                key=request.key,
                fingerprint=request.fingerprint,
                status=status,
                headers=headers,
                body=body,
                created_at=now(),
            )
        )

    async def prune(self, limit: int) -> int:
        """Forget up to `limit` answers older than `KEPT`; return how many."""
        identity = tuple_(*StoredAnswer.__table__.primary_key)
        old = (
            select(*StoredAnswer.__table__.primary_key)
            .where(StoredAnswer.created_at < database_now(-KEPT.total_seconds()))
            .limit(limit)
        )
        result = await self.session.execute(delete(StoredAnswer).where(identity.in_(old)))
        return result.rowcount  # type: ignore[attr-defined, no-any-return]
