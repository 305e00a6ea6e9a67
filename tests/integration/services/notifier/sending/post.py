"""The mail workers of a model: what they claim, send and record, and how they fail."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select

import contracts
from heliograph.database import Database
from services.notifier.emails.composer import Composer
from services.notifier.emails.facts import Facts
from services.notifier.emails.letter import Letter
from services.notifier.models import Notification
from services.notifier.repositories.claims import Claims, Due
from services.notifier.repositories.claims.letters import LetterBook
from services.notifier.repositories.outgoing import GIVE_UP_S, Outcome, Outgoing
from tests.integration.services.notifier.sending.memory import Memory

WORKERS = 2
AGAIN_S = 5.0
"""After which what was put off is tried again."""

FATES = ("taken", "refused", "put off", "taken and lost", "lost", "dies", "taken and dies")
"""What becomes of an email: the mail server takes it or not, and we learn of it or not."""


class Overheard(Composer):
    """Remembers what each letter was to say."""

    def __init__(self, facts: dict[int, tuple[Facts, Letter]]) -> None:
        super().__init__("Shop <news@shop.example>", "https://notifier.example")
        self._facts = facts

    def letter(self, facts: Facts, products: Mapping[UUID, contracts.Product]) -> Letter:
        letter = super().letter(facts, products)
        self._facts[id(letter)] = facts, letter
        return letter


class Post:
    """Workers that share one ledger, and a mail server of which everything is known."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._passed = timedelta()
        self._letters: dict[int, tuple[Facts, Letter]] = {}
        self._contents: dict[Due, bytes] = {}
        self._tried: dict[int, datetime] = {}
        self._refused: set[int] = set()

    def start(self, database: Database) -> None:
        """Begin anew: what workers had claimed, or stand still with, is left to others."""
        self._database = database
        self._outgoing = Outgoing(database)
        self._claims = [
            Claims(database, LetterBook(Overheard(self._letters)), self._memory.pace, locale="en")
            for _ in range(WORKERS)
        ]
        self._held: list[list[Due]] = [[] for _ in range(WORKERS)]
        self._stopped: list[Outcome] = []

    @property
    def now(self) -> datetime:
        """As precise as the database's clock, and never ahead of it."""
        moment = datetime.now(UTC) + self._passed
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    async def passed(self, time: timedelta) -> None:
        """Whoever is alive has renewed its lease meanwhile."""
        self._passed += time
        for worker, held in enumerate(self._held):
            ours = await self._outgoing.renew(held)
            self._held[worker] = [each for each in held if each.id in ours]

    async def ledger(self) -> Sequence[Notification]:
        async with self._database.reading() as session:
            return (await session.scalars(select(Notification))).all()

    async def claim(self, worker: int, limit: int = 100) -> int:
        """Claim, look at all that is to be sent, and hold it; returns how many rows were due."""
        claimed = await self._claims[worker].claim(limit)
        found = []
        for due in claimed.emails:
            # A letter that was stored is read again.
            facts = None if due.again else self._letters[id(due.letter)][0]
            at = due.addressee.date + self._passed
            content = due.letter.to(replace(due.addressee, date=at)).content
            self._contents[due] = content
            self._tried.setdefault(due.id, self.now)
            found.append((due, facts, at, content))
        self._memory.claimed(found)
        await self._check_counts({due.id: facts for due, facts, *_ in found if facts})
        self._held[worker] += claimed.emails
        return claimed.looked_at

    async def _check_counts(self, said: Mapping[int, Facts]) -> None:
        """However few are shown, all are counted."""
        if any(each.kind == "new_product" for each in said.values()):
            told = Counter(each.told_by for each in await self.ledger() if each.state == "pending")
            for lead, facts in said.items():
                if facts.kind == "new_product":
                    assert len(facts.items) + facts.more == told[lead] + 1

    async def send(self, worker: int, fate: str) -> None:
        """Send the next email that is held, if there is one."""
        if not self._held[worker]:
            return
        due = self._held[worker].pop(0)
        if fate.startswith("taken"):
            self._memory.arrive(due.addressee.message_id, self._contents[due])
        outcome = {
            "taken": Outcome(due, "sent", answer="250 OK"),
            "refused": Outcome(due, "failed", "554 No"),
            "put off": Outcome(due, "pending", "451 Later", AGAIN_S),
            "taken and dies": Outcome(due, "sent"),
        }.get(fate, Outcome(due, "pending", "lost", AGAIN_S, uncertain=True))
        if fate.endswith("dies"):
            self._stopped.append(outcome)
        else:
            await self._record(outcome)

    async def send_all(self) -> None:
        while await self.claim(0):
            while self._held[0]:
                await self.send(0, "taken")

    async def _record(self, outcome: Outcome) -> None:
        due = outcome.email
        await self._outgoing.record([outcome])
        told = self._memory.ours(due)
        if told is None or told.settled or not told.counts:
            return
        if outcome.state == "failed":
            self._refused.add(due.id)
        told.counts = outcome.state == "sent" or outcome.uncertain or due.again
        told.settled = outcome.state != "pending"

    async def hand_back(self, worker: int) -> None:
        """A worker stops in order: what it has not begun is anybody's at once."""
        held, self._held[worker] = self._held[worker], []
        await self._outgoing.hand_back(held)
        for due in held:
            told = self._memory.ours(due)
            if told and not due.again:
                told.counts = False

    def die(self, worker: int) -> None:
        self._held[worker].clear()

    async def wake(self) -> None:
        """A worker that stood still records what became of its email, if it still may."""
        if self._stopped:
            await self._record(self._stopped.pop(0))

    def may_have_failed(self, row_id: int) -> bool:
        """Whether a mail server refused it, or it was tried for too long."""
        tried = self._tried[row_id] + timedelta(seconds=GIVE_UP_S)
        return row_id in self._refused or tried < self.now
