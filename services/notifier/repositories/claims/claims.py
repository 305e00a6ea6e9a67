"""Claims: emails that are due are looked at again, merged, put off, cancelled, or leased.

One transaction does it all, and one worker at a time: two emails to one person that each worker
took for the only one would break what people are promised.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from pydantic import ValidationError
from sqlalchemy import Update

from heliograph.crash import crash_point
from heliograph.database import Database, Session, query_for, statement_for
from heliograph.text import printable
from services.notifier.emails.facts import Facts
from services.notifier.emails.letter import Addressee, Letter
from services.notifier.models import Notification, State
from services.notifier.repositories.claims.due import Claimed, Due, addressee_of
from services.notifier.repositories.claims.known import Known
from services.notifier.repositories.claims.letters import LetterBook
from services.notifier.repositories.claims.statements import (
    ANY,
    CHANGES,
    DUE,
    LEASE,
    LEASE_AGAIN,
    LOCK,
    MERGE,
    ONE,
    SETTLE,
    SETTLE_TOLD,
    WAIT,
)
from services.notifier.repositories.people import TOLD_WHY
from services.notifier.sending.evidence import Waiting
from services.notifier.sending.pace import Pace
from services.notifier.sending.review import Review, Verdict, nobody

log = structlog.stdlib.get_logger(__name__)


class Claims:
    """Takes the second look, and leases what is to be sent."""

    def __init__(self, database: Database, letters: LetterBook, pace: Pace, *, locale: str) -> None:
        self._database = database
        self._any = query_for(database, ANY)
        self._changes = [(each, statement_for(database, each)) for each in CHANGES]
        self._letters = letters
        self._pace = pace
        self._locale = locale

    async def claim(self, limit: int) -> Claimed:
        """Look at up to `limit` rows that are due, and at what belongs together with them."""
        if not await self._any.run():
            return Claimed()
        async with self._database.transaction() as session:
            if not self._database.is_sqlite:
                await session.execute(LOCK)
            claim = _Claim(session, self._letters, self._pace, self._locale)
            claimed = await claim.run(limit)
            connection = await session.connection()
            for change, statement in self._changes:
                if many := claim.changes[change]:
                    await statement.run_each_in(connection, many)
            if claimed.looked_at:
                crash_point("mail.after_review")
        self._letters.tidy()
        return claimed

    async def content(self, session: Session, row_id: int) -> tuple[Letter, Addressee, bool] | None:
        """The email that tells what this row is to tell, and whether it went out, or may have.

        One that waits is as it would be if nothing else happened until it is due. None if there
        is no email. Raises MailRefused or ValidationError if it cannot be composed.
        """
        row = await session.get(Notification, row_id)
        if row is not None and row.told_by is not None:
            row = await session.get(Notification, row.told_by)
        if row is None or row.state == "cancelled":
            return None
        if row.letter_id is None:
            return await self._preview(session, row.id)
        letter = (await self._letters.fetch(session, [row.letter_id])).get(row.letter_id)
        if letter is None:
            return None
        waiting = Waiting(*(getattr(row, name) for name in Waiting._fields))
        date = row.told_at or row.created_at
        # A token that went out is a secret of its recipient.
        return letter, addressee_of(waiting, letter, date, None), row.told_at is not None

    async def _preview(
        self, session: Session, row_id: int
    ) -> tuple[Letter, Addressee, bool] | None:
        found = (await session.execute(ONE, {"mine": row_id})).all()
        rows = {row[0]: Waiting(*row[:-1]) for row in found}
        fresh = _without_letter(rows)
        if not any(each.id == row_id for each in fresh):
            return None
        moment = max(rows[row_id].due_at, found[0][-1])
        claim = _Claim(session, self._letters, self._pace, self._locale)
        for verdict in await claim.look_again(fresh, moment):
            if verdict.lead and row_id in (verdict.lead.id, *verdict.told) and verdict.facts:
                letter = await self._letters.written(session, verdict.facts)
                if letter:
                    return letter, addressee_of(verdict.lead, letter, moment, None), False
        return None


class _Claim:
    """One claim, in its transaction."""

    def __init__(self, session: Session, letters: LetterBook, pace: Pace, locale: str) -> None:
        self._session = session
        self._letters = letters
        self._pace = pace
        self._locale = locale
        self._claimed = Claimed()
        self._told: set[Facts] = set()
        self._told_by: dict[int, int | None] = {}
        self.changes: dict[Update, list[dict[str, Any]]] = defaultdict(list)
        """What is to be written, by statement."""

    async def run(self, limit: int) -> Claimed:
        found = (await self._session.execute(DUE, {"at_most": limit})).all()
        if not found:
            return self._claimed
        now = max(row[-1] for row in found)
        rows = {row[0]: Waiting(*row[:-1]) for row in found}
        due = [each for each in rows.values() if each.told_by is None and each.due_at <= now]
        self._claimed.looked_at = len(due)
        self._told_by = {each.id: each.told_by for each in rows.values()}
        await self._send_again([each for each in due if each.letter_id])
        fresh = _without_letter(rows)
        if fresh:
            verdicts = await self.look_again(fresh, now)
            await self._letters.prepare(self._session, [v.facts for v in verdicts if v.facts])
            for verdict in verdicts:
                self._carry_out(verdict, now)
            await self._letters.store(self._session, self._told)
        return self._claimed

    async def _send_again(self, rows: Sequence[Waiting]) -> None:
        """Lease what may have been sent: it goes out as it was, or not at all."""
        ids = {each.letter_id for each in rows if each.letter_id}
        letters = await self._letters.fetch(self._session, ids)
        for row in rows:
            if row.letter_id is None or row.told_at is None or row.letter_id not in letters:
                self._settle([row.id], "failed", "its letter is lost")
                self.changes[SETTLE_TOLD].append({"by": row.id})
                continue
            self.changes[LEASE_AGAIN].append({"mine": row.id})
            letter = letters[row.letter_id]
            addressee = addressee_of(row, letter, row.told_at, row.secret)
            self._claimed.emails.append(Due.of(row, letter, addressee, again=True))

    async def look_again(self, rows: Sequence[Waiting], now: datetime) -> list[Verdict]:
        """Say what is to become of these rows."""
        connection = await self._session.connection()
        known = await Known.of(connection, rows, now, self._pace)
        review = Review(pace=self._pace, now=now, locale=self._locale)
        groups: dict[Hashable, list[Waiting]] = defaultdict(list)
        for row in sorted(rows):
            groups[row.email, row.topic, _subject(row)].append(row)
        return [self._judge(review, group, known) for group in groups.values()]

    def _judge(self, review: Review, group: Sequence[Waiting], known: Known) -> Verdict:
        first = group[0]
        email, topic = first.email, first.topic
        if topic == "confirmation":
            request = known.requests.get(first.event_id)
            product = known.products.get(first.product_id) if first.product_id else None
            return review.confirmation(first, request, product)
        if reason := known.suppressed.get(email):
            return nobody(group, f"nothing is sent to this address: {TOLD_WHY[reason]}")
        wanted = known.wanted[email]
        told = [each for each in known.told[email] if each.topic == topic]
        if topic == "new_product":
            return review.news(group, wanted, told, known.products)
        if topic == "digest":
            return review.digest(first, known.digests.get(first.event_id), wanted, known.products)
        told = [each for each in told if each.product_id == first.product_id]
        wanted = [each for each in wanted if each.product_id in (None, first.product_id)]
        product = known.products.get(first.product_id) if first.product_id else None
        return review.price(group, wanted, told, product)

    def _carry_out(self, verdict: Verdict, now: datetime) -> None:
        for row_id, reason in verdict.cancelled.items():
            self._settle([row_id], "cancelled", reason)
        lead = verdict.lead
        if lead is None:
            return
        if verdict.facts is None:
            self.changes[WAIT].append(
                {"mine": lead.id, "until": verdict.until, "why": verdict.reason}
            )
        else:
            try:
                found = self._letters.letter(verdict.facts)
            except Exception as error:  # noqa: BLE001 - whatever one stumbles over stops no other
                self._settle([lead.id, *verdict.told], "failed", _why(lead, error))
                return
            if found is None:
                # Its product changed a moment ago: the next claim sees how.
                self.changes[WAIT].append({"mine": lead.id, "until": now, "why": None})
            else:
                self._told.add(verdict.facts)
                self._lease(lead, verdict, *found, now)
        for row_id in verdict.told:
            if self._told_by[row_id] != lead.id:
                self.changes[MERGE].append({"mine": row_id, "lead": lead.id})

    def _lease(
        self, lead: Waiting, verdict: Verdict, letter_id: UUID, letter: Letter, now: datetime
    ) -> None:
        facts = verdict.facts
        price = facts.items[0] if facts and lead.topic == "price_drop" else None
        self.changes[LEASE].append(
            {
                "mine": lead.id,
                "letter": letter_id,
                "in_currency": price.currency if price else None,
                "price": price.new_minor if price else None,
                "date": now,
                "link": verdict.link,
            }
        )
        addressee = addressee_of(lead, letter, now, verdict.link)
        self._claimed.emails.append(
            Due.of(lead, letter, addressee, tells_others=bool(verdict.told))
        )

    def _settle(self, ids: Iterable[int], state: State, reason: str) -> None:
        for each in ids:
            self._claimed.settled[state] += 1
            self.changes[SETTLE].append({"mine": each, "as": state, "why": reason})


def _without_letter(rows: Mapping[int, Waiting]) -> list[Waiting]:
    """Those whose fate is open: what has a letter is being sent, or may have been."""
    sent = {each.id for each in rows.values() if each.letter_id}
    return [each for each in rows.values() if not {each.id, each.told_by} & sent]


def _subject(row: Waiting) -> Hashable:
    """What rows of one person and topic belong together by."""
    if row.topic == "new_product":
        return None
    return row.product_id if row.topic == "price_drop" else row.id


def _why(row: Waiting, error: Exception) -> str:
    """Why no letter can be written, in one line."""
    if isinstance(error, ValidationError):
        # An earlier release took what no contract holds; it may be large, and is not repeated.
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part)[:40] for part in first["loc"])
        log.warning("an email cannot be composed", notification=row.id, field=where)
        return f"cannot be composed: {where}: {first['msg']}"
    log.error("an email cannot be composed", notification=row.id, exc_info=error)
    return printable(f"cannot be composed: {error}", 500)
