"""The mail worker: sends the emails that are due and records what became of them."""

import asyncio
from collections.abc import Callable
from email.message import EmailMessage

import structlog

from services.notifier.composer import Composer
from services.notifier.mail_lease import MailLease, mail_lease
from services.notifier.mailer import MailDeferred, Mailer, MailRefused
from services.notifier.models import State
from services.notifier.repositories.outgoing import Due, Outgoing
from shared.errors import DatabaseUnavailable
from shared.stopping import stopped_within
from shared.wakeup import Bell
from shared.worker import Retries

log = structlog.stdlib.get_logger(__name__)

BATCH = 20
POLL_S = 0.5
"""Longest wait for a ring; emails whose next attempt is due are found by it too."""

PAUSES_S = (0.5, 1.0, 2.0, 5.0)
"""Between attempts while the mail server or the database is away; the last repeats."""

RECORD_S = 0.2
"""Between attempts to record that an email was sent."""

RETRIES = Retries(first=1.0, longest=300.0)


class MailWorker:
    """Sends one email after the other; any number of workers may run.

    An email is sent twice only if this process, its lease, the connection or the database
    fails between the mail server's answer and the record of it.
    """

    name = "mail"

    def __init__(
        self,
        outgoing: Outgoing,
        mailer: Mailer,
        composer: Composer,
        bell: Bell,
        *,
        on_outcome: Callable[[str], None],
    ) -> None:
        self._outgoing = outgoing
        self._mailer = mailer
        self._composer = composer
        self._bell = bell
        self._on_outcome = on_outcome
        self.trouble: str | None = None
        """Why emails wait right now; None if they go out."""

    async def run(self, stopping: asyncio.Event) -> None:
        waiter = self._bell.waiter()
        failures = 0
        while not stopping.is_set():
            try:
                if self.trouble is not None:
                    await self._mailer.check()
                idle = not await self._send_due(stopping)
            except (DatabaseUnavailable, MailDeferred) as error:
                self._troubled(str(error))
                pause = PAUSES_S[min(failures, len(PAUSES_S) - 1)]
                failures += 1
                await stopped_within(stopping, pause)
                continue
            self.trouble, failures = None, 0
            if idle:
                await waiter.wait(POLL_S)

    def _troubled(self, reason: str) -> None:
        if self.trouble is None:
            log.warning("emails wait", reason=reason)
        self.trouble = reason

    async def _send_due(self, stopping: asyncio.Event) -> bool:
        """Send what is due, up to a batch; False if nothing was."""
        async with mail_lease(self._outgoing, BATCH) as lease:
            found = bool(lease)
            while not stopping.is_set() and (due := lease.next()):
                await self._send(due, lease)
        return found

    async def _send(self, due: Due, lease: MailLease) -> None:
        if due.unsubscribe_token is None:
            await self._settle(due, lease, "cancelled", "the subscription ended")
            return
        try:
            await self._mailer.send(self._compose(due), due.email)
        except MailRefused as error:
            await self._settle(due, lease, "failed", error.reason)
        except MailDeferred as error:
            await self._outgoing.retry(due, error.reason, RETRIES.delay(due.attempts))
            lease.close(due)
            self._on_outcome("deferred")
            # Is it this email only, or the server? If the server, all others wait.
            await self._mailer.check()
        else:
            await self._settle(due, lease, "sent")

    def _compose(self, due: Due) -> EmailMessage:
        try:
            return self._composer.compose(due)
        except MailRefused:
            raise
        # Whatever one email stumbles over must not stop the others.
        except Exception as error:
            log.exception("an email cannot be composed", notification=due.id)
            raise MailRefused(f"cannot be composed: {error}") from error

    async def _settle(
        self, due: Due, lease: MailLease, state: State, reason: str | None = None
    ) -> None:
        """Record the outcome, and hold on while the database is away: it cannot be undone."""
        lease.close(due)
        while True:
            try:
                await self._outgoing.settle(due, state, reason)
            except DatabaseUnavailable:
                if not lease.held:
                    raise
                await asyncio.sleep(RECORD_S)
            else:
                self._on_outcome(state)
                return
