"""Emails over SMTP, several side by side: `docs/decisions/0010-emails-side-by-side.md` says why."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from heliograph.crash import crash_point
from services.notifier.mail.envelope import Envelope
from services.notifier.mail.errors import MailDeferred, MailError, MailRefused, one_line
from services.notifier.mail.smtp_connection import Answer, SmtpConnection
from services.notifier.mail.status import status_of, tells_of_no_recipient

CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 30.0
# Servers and firewalls forget an idle connection without a word, some after one minute.
IDLE_SECONDS = 30.0

NO_STARTTLS = (
    "the mail server offers no STARTTLS, and it is required, so that no password is sent in the "
    "clear: use smtps://, or ?starttls=never where nobody can listen in"
)

CONNECTIONS = 4
"""Few enough for what servers allow one sender, enough to make up for a busy loop."""


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
    """Hands emails to an SMTP server over a few kept connections, one email each at a time.

    A connection is opened when an email finds none free, and again when it broke or was idle
    for longer than `idle_seconds`; every command has a deadline. A 5xx answer to the recipient
    or the content raises MailRefused. One to the greeting, the login or the sender says
    something about our settings and nothing about this email: it raises MailDeferred.
    """

    def __init__(
        self,
        server: SmtpServer,
        *,
        connections: int = CONNECTIONS,
        connect_seconds: float = CONNECT_SECONDS,
        command_seconds: float = COMMAND_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.server = server
        self._connect_seconds = connect_seconds
        self._command_seconds = command_seconds
        self._idle_seconds = idle_seconds
        self._free = asyncio.Semaphore(connections)
        self._idle: list[tuple[float, SmtpConnection]] = []
        """By the time they were last used; the last was used last."""

    async def send(self, envelope: Envelope) -> str | None:
        async with self._free:
            with _deferring():
                connection, opened = await self._open(envelope)
            try:
                await _raise_refusal(connection, *opened)
                crash_point("mail.before_data")
                taken = await _hand_over(connection, envelope.content)
                crash_point("mail.after_250")
            finally:
                self._keep(connection)
        return one_line(str(taken))

    async def check(self) -> None:
        """Connect unless connected; an open connection is taken at its word."""
        async with self._free:
            with _deferring():
                self._keep(self._kept() or await self._connect())

    async def close(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._connect_seconds):
                while connection := self._kept():
                    await connection.quit()

    async def _open(self, envelope: Envelope) -> tuple[SmtpConnection, list[Answer]]:
        """A connection, and what the server said there to all that comes before the content."""
        options = " SMTPUTF8 BODY=8BITMIME" if envelope.is_international else ""
        commands = (
            f"MAIL FROM:<{envelope.sender}>{options}\r\n".encode(),
            f"RCPT TO:<{envelope.recipient}>\r\n".encode(),
            b"DATA\r\n",
        )
        if connection := self._kept():
            # One that broke while it was idle shows it now; nothing of the email was sent.
            with contextlib.suppress(OSError):
                return connection, await self._ask(connection, envelope, commands)
        connection = await self._connect()
        return connection, await self._ask(connection, envelope, commands)

    async def _ask(
        self, connection: SmtpConnection, envelope: Envelope, commands: Sequence[bytes]
    ) -> list[Answer]:
        if envelope.is_international and not connection.international:
            self._keep(connection)
            raise MailRefused("the mail server takes no addresses outside ASCII (SMTPUTF8)")
        return await connection.ask(*commands)

    async def _connect(self) -> SmtpConnection:
        smtp = SMTP(
            hostname=self.server.host,
            port=self.server.port,
            username=self.server.username,
            password=self.server.password,
            # The library would ask the resolver for a full name, without a deadline.
            local_hostname=socket.gethostname(),
            timeout=self._command_seconds,
            use_tls=self.server.tls,
            start_tls=self.server.starttls,
        )
        try:
            await smtp.connect(timeout=self._connect_seconds)
            if smtp.is_ehlo_or_helo_needed:
                await smtp.ehlo()
        except SMTPException as error:
            smtp.close()
            # The library has no error of its own for it.
            if type(error) is SMTPException and "STARTTLS" in str(error):
                raise MailDeferred(NO_STARTTLS) from error
            raise
        except BaseException:
            smtp.close()
            raise
        return SmtpConnection(
            cast("asyncio.Transport", smtp.transport),
            pipelining=smtp.supports_extension("pipelining"),
            # RFC 6531 3.1: who has it has 8BITMIME too.
            international=smtp.supports_extension("smtputf8"),
            seconds=self._command_seconds,
        )

    def _kept(self) -> SmtpConnection | None:
        """Take the connection that was used last; those idle for too long are ended."""
        while self._idle:
            used_at, connection = self._idle.pop()
            if time.monotonic() - used_at < self._idle_seconds:
                if not connection.closed:
                    return connection
            else:
                connection.close()
        return None

    def _keep(self, connection: SmtpConnection) -> None:
        if not connection.closed:
            self._idle.append((time.monotonic(), connection))


async def _raise_refusal(
    connection: SmtpConnection, mail: Answer, rcpt: Answer, data: Answer
) -> None:
    """Raise what was said against the email, if anything was, and be ready for the next."""
    if not mail.positive:
        refusal: MailError = MailDeferred(str(mail))
    elif not rcpt.positive:
        refusal = _refusal(rcpt)
    elif not data.go_on:
        refusal = _refusal(data)
    else:
        return
    if data.go_on:
        # It waits for a content, and whatever came would be one (RFC 2920 3.1).
        connection.close()
    else:
        with contextlib.suppress(OSError):
            await connection.ask(b"RSET\r\n")
    raise refusal


async def _hand_over(connection: SmtpConnection, content: bytes) -> Answer:
    if connection.closed:
        # It said more than it was asked: nothing of the content goes out.
        raise MailDeferred("the mail server closed the connection before the content")
    # RFC 5321 4.5.2: a dot that begins a line is doubled, one alone ends the content.
    lines = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..").removeprefix(b"\r\n")
    with _deferring(uncertain=True):
        taken = await connection.send_content(lines + b".\r\n")
    if taken.positive:
        return taken
    if not (taken.transient or taken.permanent):
        connection.close()
        raise MailDeferred(f"not an answer: {taken}", uncertain=True)
    raise _refusal(taken)


def _refusal(answer: Answer) -> MailError:
    if not answer.permanent:
        return MailDeferred(str(answer))
    return MailRefused(str(answer), hard=tells_of_no_recipient(status_of(answer)))


@contextlib.contextmanager
def _deferring(*, uncertain: bool = False) -> Iterator[None]:
    """Raise whatever can go wrong with a connection as MailDeferred."""
    try:
        yield
    except SMTPResponseException as error:
        raise MailDeferred(f"{error.code} {error.message}", uncertain=uncertain) from error
    except (SMTPException, OSError) as error:
        raise MailDeferred(str(error), uncertain=uncertain) from error
