"""Emails over SMTP."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from services.notifier.mail_envelope import Envelope
from services.notifier.mail_errors import MailDeferred, MailRefused
from shared.crash import crash_point

CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 30.0
# Servers and firewalls forget an idle connection without a word, some after one minute.
IDLE_SECONDS = 30.0

# RFC 5321 4.2.1: the ranges of negative answers.
_TRANSIENT, _PERMANENT, _INVALID = 400, 500, 600


@dataclass(frozen=True)
class SmtpServer:
    """Where and how to hand over emails.

    `tls` is TLS from the first byte. `starttls` upgrades a plain connection: always (True),
    never (False), or if the server offers it (None). Certificates are always verified.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    starttls: bool | None = None


class SmtpMailer:
    """Hands emails to an SMTP server over one kept connection, one at a time.

    The connection is opened by the first email, and again when it broke or was idle for
    longer than `idle_seconds`; every command has a deadline. A 5xx answer to the recipient or
    the content raises MailRefused. One to the greeting, the login or the sender says
    something about our settings and nothing about this email: it raises MailDeferred.
    """

    def __init__(
        self,
        server: SmtpServer,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        command_seconds: float = COMMAND_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._server = server
        self._connect_seconds = connect_seconds
        self._command_seconds = command_seconds
        self._idle_seconds = idle_seconds
        self._lock = asyncio.Lock()
        self._smtp: SMTP | None = None
        self._used_at = 0.0

    async def send(self, message: EmailMessage, recipient: str) -> None:
        envelope = Envelope.of(message, recipient)
        async with self._lock:
            with self._mail_errors():
                smtp = await self._ready()
                await smtp.mail(envelope.sender)
            with self._mail_errors(final=True):
                await smtp.rcpt(envelope.recipient)
            crash_point("mail.before_data")
            # The library does not tell a loss before the content from one after it, so each
            # counts as uncertain.
            with self._mail_errors(final=True, uncertain=True):
                await smtp.data(envelope.content)
            crash_point("mail.after_250")
            self._used_at = time.monotonic()

    async def check(self) -> None:
        """Connect unless connected; an open connection is taken at its word."""
        async with self._lock:
            if self._smtp is None or not self._smtp.is_connected:
                with self._mail_errors():
                    await self._connect()

    async def close(self) -> None:
        async with self._lock:
            if self._smtp is not None and self._smtp.is_connected:
                with contextlib.suppress(SMTPException, OSError):
                    await self._smtp.quit(timeout=self._connect_seconds)
            self._drop()

    async def _ready(self) -> SMTP:
        """A connection without an open envelope."""
        if self._smtp is not None and time.monotonic() - self._used_at < self._idle_seconds:
            # RSET clears what a refused email left behind, and shows whether anyone is there.
            with contextlib.suppress(SMTPException, OSError):
                await self._smtp.rset()
                return self._smtp
        return await self._connect()

    async def _connect(self) -> SMTP:
        self._drop()
        smtp = SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.username,
            password=self._server.password,
            # The library would ask the resolver for a full name, without a deadline.
            local_hostname=socket.gethostname(),
            timeout=self._command_seconds,
            use_tls=self._server.tls,
            start_tls=self._server.starttls,
        )
        await smtp.connect(timeout=self._connect_seconds)
        self._smtp, self._used_at = smtp, time.monotonic()
        return smtp

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None

    @contextlib.contextmanager
    def _mail_errors(self, *, final: bool = False, uncertain: bool = False) -> Iterator[None]:
        """Raise the library's errors as ours; drop the connection unless it still is in step.

        `final`: a 5xx answer is about this email, for good. `uncertain`: without an answer
        nobody knows whether the email was accepted.
        """
        try:
            yield
        except SMTPResponseException as error:
            reason = f"{error.code} {error.message}"
            if _PERMANENT <= error.code < _INVALID and final:
                raise MailRefused(reason) from error
            if _TRANSIENT <= error.code < _INVALID:
                raise MailDeferred(reason) from error
            self._drop()
            raise MailDeferred(f"not an answer: {reason}", uncertain=uncertain) from error
        except (SMTPException, OSError) as error:
            self._drop()
            raise MailDeferred(str(error), uncertain=uncertain) from error
        except BaseException:
            # Cancelled in mid-command: the next answer would be taken for another's.
            self._drop()
            raise
