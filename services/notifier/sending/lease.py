"""The lease of a mail worker: its emails are its own while it renews it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from heliograph import DatabaseUnavailable
from heliograph.waiting import LEASE_S
from services.notifier.repositories.claims import Claimed, Claims, Due
from services.notifier.repositories.outgoing import Outgoing

log = structlog.stdlib.get_logger(__name__)


class MailLease:
    """The claimed emails that are not settled yet.

    A mail server may take longer over one email than a lease lasts, so a task renews it. A
    worker that was stopped meanwhile learns from `held` that it must not go on.
    """

    def __init__(self, outgoing: Outgoing, claimed: Claimed, until: float) -> None:
        self._outgoing = outgoing
        self.claimed = claimed
        self._waiting = {each.id: each for each in claimed.emails}
        self._begun: dict[int, Due] = {}
        self._until = until

    @property
    def held(self) -> bool:
        """Whether no other worker can have taken the emails over."""
        return time.monotonic() < self._until

    def begin(self) -> Due | None:
        """An email to be sent now; None if none is left that is surely ours."""
        if not self._waiting or not self.held:
            return None
        email = self._waiting.pop(next(iter(self._waiting)))
        self._begun[email.id] = email
        return email

    def settled(self, email: Due) -> None:
        """What became of it is recorded: it is not renewed any more."""
        self._begun.pop(email.id, None)

    async def renew(self) -> None:
        """Renew until cancelled; while the database is away the lease runs out."""
        while True:
            await asyncio.sleep(LEASE_S / 3)
            until = time.monotonic() + LEASE_S
            try:
                ours = await self._outgoing.renew([*self._waiting.values(), *self._begun.values()])
            except DatabaseUnavailable as error:
                log.warning("lease not renewed", reason=str(error))
                continue
            self._waiting = {key: each for key, each in self._waiting.items() if key in ours}
            self._until = until

    async def hand_back(self) -> None:
        """Let others have at once what was not begun; without the database the lease ends."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            await self._outgoing.hand_back(waiting.values())
        except DatabaseUnavailable as error:
            log.warning("emails not handed back", reason=str(error))


@asynccontextmanager
async def mail_lease(claims: Claims, outgoing: Outgoing, limit: int) -> AsyncIterator[MailLease]:
    """Claim what is due, up to `limit` rows; hand back what was not begun."""
    # Counted from before the claim: the database's lease never ends earlier.
    until = time.monotonic() + LEASE_S
    lease = MailLease(outgoing, await claims.claim(limit), until)
    renewing = asyncio.create_task(lease.renew())
    try:
        yield lease
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await lease.hand_back()
