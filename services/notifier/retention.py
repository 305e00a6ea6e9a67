"""What the notifier remembers for a while."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from heliograph.database import Database, Session
from heliograph.service import Retention
from services.notifier.repositories.bounces import BounceRepository
from services.notifier.repositories.digests import DigestRepository
from services.notifier.repositories.ledger import LedgerRepository
from services.notifier.repositories.occasions import OccasionRepository
from services.notifier.repositories.products import ProductRepository
from services.notifier.repositories.requests import RequestRepository

_YOUNGER = timedelta(days=1)
"""Than its letter and its digest is a row of the ledger, at most."""


def retentions(database: Database, kept: timedelta) -> Sequence[Retention]:
    """All that is forgotten in time; the ledger `kept` after it was written."""
    forgets: tuple[Callable[[Session, int], Awaitable[int]], ...] = (
        lambda session, limit: LedgerRepository(session).prune(kept, limit),
        lambda session, limit: LedgerRepository(session).prune_letters(kept + _YOUNGER, limit),
        lambda session, limit: ProductRepository(session).prune(kept, limit),
        lambda session, limit: BounceRepository(session).prune(kept, limit),
        lambda session, limit: OccasionRepository(session).prune(limit),
        lambda session, limit: DigestRepository(session).prune(kept + _YOUNGER, limit),
        lambda session, limit: RequestRepository(session).prune(limit),
    )
    return [Retention(database, each) for each in forgets]
