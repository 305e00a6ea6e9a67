"""Letters: written once for all who get the same, and kept as they were written."""

import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, tuple_

import contracts
from heliograph.database import Session, database_now, upsert
from heliograph.events import new_id
from services.notifier import models
from services.notifier.emails.composer import Composer
from services.notifier.emails.facts import Facts
from services.notifier.emails.letter import Letter

KEPT = 256
"""Letters, and products, that a worker has at hand; most emails of one event go out together."""

KEPT_S = 600.0
"""For which a letter is used again: no row of the ledger is much younger than its letter."""


@dataclass(slots=True)
class _Written:
    id: UUID
    letter: Letter
    at: float
    stored: bool = False


class LetterBook:
    """The letters that one worker wrote, and those that others stored."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._written: OrderedDict[Facts, _Written] = OrderedDict()
        self._snapshots: OrderedDict[tuple[UUID, str], str] = OrderedDict()

    async def fetch(self, session: Session, ids: Collection[UUID]) -> Mapping[UUID, Letter]:
        """Those of these letters that are stored."""
        if not ids:
            return {}
        found = await session.scalars(select(models.Letter).where(models.Letter.id.in_(ids)))
        return {
            each.id: Letter(
                each.head,
                each.text,
                each.html,
                public_url=each.public_url,
                domain=each.domain,
            )
            for each in found
        }

    async def prepare(self, session: Session, wanted: Collection[Facts]) -> None:
        """Have the products at hand that the letters for these facts show."""
        missing = {
            (item.product_id, item.sequence)
            for facts in wanted
            if self._at_hand(facts) is None
            for item in facts.items
            if item.sequence
        } - self._snapshots.keys()
        if not missing:
            return
        product = models.Product
        found = await session.execute(
            select(product.id, product.sequence, product.snapshot).where(
                tuple_(product.id, product.sequence).in_(missing)
            )
        )
        for product_id, sequence, snapshot in found:
            self._snapshots[product_id, sequence] = snapshot

    def letter(self, facts: Facts) -> tuple[UUID, Letter] | None:
        """The letter that says this, to be stored before it is sent.

        None if a product that it shows has changed meanwhile. Raises what `Composer.letter` does.
        """
        written = self._at_hand(facts)
        if written is None:
            letter = self._compose(facts)
            if letter is None:
                return None
            written = self._written[facts] = _Written(new_id(), letter, time.monotonic())
        self._written.move_to_end(facts)
        return written.id, written.letter

    def _at_hand(self, facts: Facts) -> _Written | None:
        written = self._written.get(facts)
        return written if written and written.at > time.monotonic() - KEPT_S else None

    async def store(self, session: Session, wanted: Collection[Facts]) -> None:
        """Keep the letters that say this, once the transaction commits."""
        new = [each for each in map(self._written.__getitem__, wanted) if not each.stored]
        if not new:
            return
        connection = await session.connection()
        # One whose commit was not answered may be there.
        await connection.execute(
            upsert(session, models.Letter)
            .values(created_at=database_now())
            .on_conflict_do_nothing(),
            [
                {
                    "id": each.id,
                    "head": each.letter.head,
                    "text": each.letter.text,
                    "html": each.letter.html,
                    "public_url": each.letter.public_url,
                    "domain": each.letter.domain,
                }
                for each in new
            ],
        )

        def stored() -> None:
            for each in new:
                each.stored = True

        session.on_commit(stored)

    async def written(self, session: Session, facts: Facts) -> Letter | None:
        """The letter that says this, for a look at it only."""
        await self.prepare(session, [facts])
        letter = self._compose(facts)
        self.tidy()
        return letter

    def _compose(self, facts: Facts) -> Letter | None:
        keys = {
            item.product_id: (item.product_id, item.sequence)
            for item in facts.items
            if item.sequence
        }
        if not self._snapshots.keys() >= set(keys.values()):
            return None
        products = {
            each: contracts.Product.model_validate_json(self._snapshots[key])
            for each, key in keys.items()
        }
        return self._composer.letter(facts, products)

    def tidy(self) -> None:
        """Forget the letters and products that were used longest ago."""
        for kept in (self._written, self._snapshots):
            while len(kept) > KEPT:
                kept.popitem(last=False)
