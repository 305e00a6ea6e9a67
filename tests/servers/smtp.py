"""An SMTP server that keeps what it receives and fails on request."""

import email
import email.policy
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.servers.processes import free_port

ACCEPTED = "250 OK"


@dataclass(frozen=True)
class Received:
    """One accepted email with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    raw: bytes


class SMTPServer:
    """A server on a port of the loopback interface, in a thread of its own.

    ``messages`` holds what was accepted, oldest first. Failures are queued: each call of
    ``refuse`` or ``drop`` answers one later command, in the order of the calls.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"smtp://127.0.0.1:{self.port}"
        self.messages: list[Received] = []
        self.connections = 0
        """Sessions greeted so far; a kept connection counts once."""
        self._refusals: dict[str, deque[str]] = {"RCPT": deque(), "DATA": deque()}
        self._drops: deque[bool] = deque()

    def refuse(self, reply: str, command: Literal["RCPT", "DATA"] = "DATA") -> None:
        """Answer the next RCPT, or the final dot, with ``reply``, as in ``"451 Later"``."""
        self._refusals[command].append(reply)

    def drop(self, *, accept: bool = True) -> None:
        """Cut the connection after the next final dot, without a reply.

        The email is kept when ``accept`` is set: its sender cannot know.
        """
        self._drops.append(accept)

    async def handle_EHLO(  # noqa: N802 — named by aiosmtpd
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802 — named by aiosmtpd
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if self._refusals["RCPT"]:
            return self._refusals["RCPT"].popleft()
        envelope.rcpt_tos.append(address)
        return ACCEPTED

    async def handle_DATA(  # noqa: N802 — named by aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self._refusals["DATA"]:
            return self._refusals["DATA"].popleft()
        dropped = bool(self._drops)
        if not dropped or self._drops.popleft():
            self.messages.append(_received(envelope))
        if dropped and server.transport is not None:
            server.transport.abort()  # type: ignore[attr-defined]  # a TCP transport has it
        return ACCEPTED


def _received(envelope: Envelope) -> Received:
    raw = envelope.content if isinstance(envelope.content, bytes) else b""
    return Received(
        sender=envelope.mail_from or "",
        recipients=tuple(envelope.rcpt_tos),
        message=email.message_from_bytes(raw, policy=email.policy.default),
        raw=raw,
    )


@contextmanager
def smtp() -> Iterator[SMTPServer]:
    """Run a new server."""
    server = SMTPServer()
    controller = Controller(server, hostname="127.0.0.1", port=server.port)
    controller.start()
    server.connections = 0
    try:
        yield server
    finally:
        controller.stop()
