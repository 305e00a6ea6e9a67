"""The mail worker: sends the emails that are due and records what became of them."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from heliograph import DatabaseUnavailable
from heliograph.crash import crash_point
from heliograph.database import Bell
from heliograph.group_commit import GroupCommit
from heliograph.logging import of_event
from heliograph.waiting import Retries, Trouble, pause_after, stopped_within
from services.notifier.mail.addresses import masked_address, without_addresses
from services.notifier.mail.errors import MailDeferred, MailRefused
from services.notifier.mail.mailer import Mailer
from services.notifier.mail.smtp import CONNECTIONS
from services.notifier.repositories.claims import Claims, Due
from services.notifier.repositories.outgoing import Outcome, Outgoing
from services.notifier.sending.lease import MailLease, mail_lease

log = structlog.stdlib.get_logger(__name__)

BATCH = 200
"""Emails claimed at a time."""

SIDE_BY_SIDE = 16
"""Emails that one worker may have begun and not recorded; no more than `CONNECTIONS` of them
are being sent, while the others are recorded together."""

POLL_S = 0.5
"""Longest wait for a ring; emails whose next attempt is due are found by it too."""

RECORD_S = 0.2
"""Between attempts to record that an email was sent."""

RETRIES = Retries(first=1.0, longest=300.0)


class MailWorker:
    """Sends emails, a few side by side; any number of workers may run.

    An email is sent twice only if this process, its lease, the connection or the database
    fails between the mail server's answer and the record of it. That can happen to as many
    emails at once as are under way: `SIDE_BY_SIDE`.
    """

    name = "mail"

    def __init__(
        self,
        claims: Claims,
        outgoing: Outgoing,
        mailer: Mailer,
        bell: Bell,
        *,
        on_outcome: Callable[[str], None],
    ) -> None:
        self._claims = claims
        self._outgoing = outgoing
        self._mailer = mailer
        self._bell = bell
        self._on_outcome = on_outcome
        self._sending = asyncio.Semaphore(CONNECTIONS)
        self._records = GroupCommit(self._write)
        self._trouble = Trouble("emails wait", "emails go out again")

    @property
    def trouble(self) -> str | None:
        """Why emails wait right now; None if they go out."""
        return self._trouble.reason

    async def run(self, stopping: asyncio.Event) -> None:
        waiter = self._bell.waiter()
        failures = 0
        while not stopping.is_set():
            try:
                if self.trouble is not None:
                    await self._mailer.check()
                idle = not await self._send_due(stopping)
            except (DatabaseUnavailable, MailDeferred) as error:
                self._trouble.begin(without_addresses(str(error)))
                await stopped_within(stopping, pause_after(failures))
                failures += 1
                continue
            self._trouble.end()
            failures = 0
            if idle:
                await waiter.wait(stopping, POLL_S)

    async def _send_due(self, stopping: asyncio.Event) -> bool:
        """Send what is due, up to a batch; False if nothing was."""
        async with mail_lease(self._claims, self._outgoing, BATCH) as lease:
            found = bool(lease.claimed.looked_at)
            for state in lease.claimed.settled.elements():
                self._on_outcome(state)
            if lease.claimed.settled:
                log.info("settled without an email", **lease.claimed.settled)
            senders = [self._send_some(lease, stopping) for _ in range(SIDE_BY_SIDE)]
            # Each finishes what it has begun, whatever becomes of the others.
            for end in await asyncio.gather(*senders, return_exceptions=True):
                if end is not None:
                    raise end
        return found

    async def _send_some(self, lease: MailLease, stopping: asyncio.Event) -> None:
        try:
            while not stopping.is_set() and await self._send_one(lease):
                pass
        except Exception:
            await lease.hand_back()
            raise

    async def _send_one(self, lease: MailLease) -> bool:
        """Send an email and record it; False if there was none."""
        async with self._sending:
            due = lease.begin()
            if due is None:
                return False
            if due.tells_others:
                crash_point("mail.after_merge")
            outcome = await self._send(due)
            if outcome.state == "pending":
                await self._record(outcome, lease)
                # Is it this email only, or the server? If the server, all others wait.
                await self._mailer.check()
                return True
        await self._record(outcome, lease)
        return True

    async def _send(self, due: Due) -> Outcome:
        try:
            answer = await self._mailer.send(due.letter.to(due.addressee))
        except MailRefused as error:
            return Outcome(due, "failed", error.reason, hard=error.hard)
        except MailDeferred as error:
            delay = RETRIES.delay(due.attempts + 1)
            return Outcome(due, "pending", error.reason, delay, uncertain=error.uncertain)
        return Outcome(due, "sent", answer=answer)

    async def _record(self, outcome: Outcome, lease: MailLease) -> None:
        """Return when the outcome is recorded; those that wait meanwhile go together."""
        try:
            await self._records.submit((outcome, lease))
        except DatabaseUnavailable as error:
            log.warning("outcome not recorded", error=str(error), **_told(outcome))
            raise
        lease.settled(outcome.email)
        _tell(outcome)
        self._on_outcome("deferred" if outcome.state == "pending" else outcome.state)

    async def _write(self, recorded: Sequence[tuple[Outcome, MailLease]]) -> list[None]:
        """Hold on while the database is away: what was sent cannot be undone."""
        outcomes = [outcome for outcome, _ in recorded]
        while True:
            try:
                await self._outgoing.record(outcomes)
            except DatabaseUnavailable:
                if not any(lease.held for _, lease in recorded):
                    raise
                await asyncio.sleep(RECORD_S)
            else:
                return [None] * len(recorded)


def _tell(outcome: Outcome) -> None:
    told = _told(outcome)
    if outcome.state == "sent":
        log.info("sent", **told)
    elif outcome.state == "pending":
        again = datetime.now(UTC) + timedelta(seconds=outcome.delay)
        log.info("deferred", again_at=again.isoformat(timespec="milliseconds"), **told)
    else:
        log.warning("failed", **told)


def _told(outcome: Outcome) -> dict[str, object]:
    """What a line says of an email, and whom it was for as far as who knows them recognises."""
    email = outcome.email
    told = of_event(email.event_id, email.product_id, None) | {
        "subscription_id": str(email.subscription_id),
        "message_id": email.addressee.message_id,
        "to": masked_address(email.addressee.recipient),
        "state": outcome.state,
        "attempt": email.attempts + 1,
    }
    for name, words in (("reason", outcome.reason), ("answer", outcome.answer)):
        if words is not None:
            told[name] = without_addresses(words)
    return told
