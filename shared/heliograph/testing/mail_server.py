"""A mail server that keeps what it receives and fails on request.

It stands in for the one that a service sends by: the conversation is a real one.
"""

import asyncio
import email
import email.policy
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

ACCEPTED = "250 OK"

Command = Literal["RCPT", "DATA"]
"""What a failure answers: a recipient, or the final dot."""


@dataclass(frozen=True)
class Received:
    """One accepted email with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    raw: bytes
    at: datetime
    """When its final dot had come."""


@dataclass(frozen=True, eq=False)
class Failure:
    """How the server fails once."""

    command: Command
    reply: str = ACCEPTED
    hangs_s: float = 0.0
    """So long it says nothing."""
    cuts: bool = False
    keeps: bool = False
    """Whether it has the email all the same: its sender cannot know."""


ALL_IS_WELL = Failure("DATA", keeps=True)


class SMTPServer:
    """A server on a port of the loopback interface, in a thread of its own.

    `messages` holds what was accepted, oldest first. Failures are queued: each call of
    `refuse`, `drop` or `hang` answers one later command, in the order of the calls.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"smtp://127.0.0.1:{self.port}"
        self.messages: list[Received] = []
        self.connections = 0
        """Sessions greeted so far; a kept connection counts once."""
        self._failures: list[Failure] = []

    def refuse(self, reply: str, command: Command = "DATA") -> Failure:
        """Answer the next RCPT, or the final dot, with `reply`, as in `"451 Later"`."""
        return self._fail(Failure(command, reply))

    def drop(self, *, accept: bool = True) -> Failure:
        """Cut the connection after the next final dot, without a reply.

        The email is kept when `accept` is set: its sender cannot know.
        """
        return self._fail(Failure("DATA", cuts=True, keeps=accept))

    def hang(self, seconds: float, command: Command = "DATA") -> Failure:
        """Say nothing for so long to the next RCPT or final dot, then accept it.

        The email that the dot ended is kept before, whether or not its sender waits.
        """
        return self._fail(Failure(command, hangs_s=seconds, keeps=True))

    def owes(self, failure: Failure) -> bool:
        """Tell whether a failure is still to come."""
        return failure in self._failures

    def forgive(self, failure: Failure) -> bool:
        """Take a failure back; False if it has come already."""
        try:
            self._failures.remove(failure)
        except ValueError:
            return False
        return True

    def _fail(self, failure: Failure) -> Failure:
        self._failures.append(failure)
        return failure

    def _next(self, command: Command) -> Failure:
        """How to answer this command."""
        found = next((each for each in self._failures if each.command == command), None)
        return found if found and self.forgive(found) else ALL_IS_WELL

    async def handle_EHLO(  # noqa: N802 - named by aiosmtpd
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]]

    async def handle_RCPT(  # noqa: N802 - named by aiosmtpd
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        answer = self._next("RCPT")
        await asyncio.sleep(answer.hangs_s)
        if answer.reply == ACCEPTED:
            envelope.rcpt_tos.append(address)
        return answer.reply

    async def handle_DATA(  # noqa: N802 - named by aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        answer = self._next("DATA")
        if answer.keeps:
            self.messages.append(_received(envelope))
        await asyncio.sleep(answer.hangs_s)
        if answer.cuts and server.transport is not None:
            server.transport.abort()  # type: ignore[attr-defined]  # a TCP transport has it
        return answer.reply


def _received(envelope: Envelope) -> Received:
    raw = envelope.content if isinstance(envelope.content, bytes) else b""
    return Received(
        sender=envelope.mail_from or "",
        recipients=tuple(envelope.rcpt_tos),
        message=email.message_from_bytes(raw, policy=email.policy.default),
        raw=raw,
        at=datetime.now(UTC),
    )


@contextmanager
def smtp() -> Iterator[SMTPServer]:
    """Run a new server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        server = SMTPServer(free.getsockname()[1])
    controller = Controller(server, hostname="127.0.0.1", port=server.port)
    controller.start()
    server.connections = 0
    try:
        yield server
    finally:
        controller.stop()
