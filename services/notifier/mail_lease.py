"""The lease of a mail worker: its emails are its own while it renews it."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from services.notifier.repositories.outgoing import LEASE_S, Due, Outgoing
from shared.errors import DatabaseUnavailable

log = structlog.stdlib.get_logger(__name__)


class MailLease:
    """The claimed emails that are not settled yet.

    A mail server may take longer over one email than a lease lasts, so a task renews it. A
    worker that was stopped meanwhile learns from `held` that it must not go on.
    """

    def __init__(self, outgoing: Outgoing, emails: Sequence[Due], until: float) -> None:
        self._outgoing = outgoing
        self._open = {each.id: each for each in emails}
        self._until = until

    def __bool__(self) -> bool:
        return bool(self._open)

    @property
    def held(self) -> bool:
        """Whether no other worker can have taken the emails over."""
        return time.monotonic() < self._until

    def next(self) -> Due | None:
        """An email to be sent now; None if none is left that is surely ours."""
        return next(iter(self._open.values()), None) if self.held else None

    def close(self, email: Due) -> None:
        """The email is sent or settled: it is neither renewed nor handed back."""
        self._open.pop(email.id, None)

    async def renew(self) -> None:
        """Renew until cancelled; while the database is away the lease runs out."""
        while True:
            await asyncio.sleep(LEASE_S / 3)
            until = time.monotonic() + LEASE_S
            try:
                ours = await self._outgoing.renew(list(self._open.values()))
            except DatabaseUnavailable as error:
                log.warning("lease not renewed", reason=str(error))
                continue
            self._open = {key: each for key, each in self._open.items() if key in ours}
            self._until = until

    async def hand_back(self) -> None:
        """Let others have at once what was not sent; without the database the lease ends."""
        if not self._open:
            return
        try:
            await self._outgoing.hand_back(self._open.values())
        except DatabaseUnavailable as error:
            log.warning("emails not handed back", reason=str(error))


@asynccontextmanager
async def mail_lease(outgoing: Outgoing, limit: int) -> AsyncIterator[MailLease]:
    """Claim up to `limit` emails that are due; hand back what was not sent."""
    # Counted from before the claim: the database's lease never ends earlier.
    until = time.monotonic() + LEASE_S
    lease = MailLease(outgoing, await outgoing.claim(limit), until)
    renewing = asyncio.create_task(lease.renew())
    try:
        yield lease
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await lease.hand_back()
