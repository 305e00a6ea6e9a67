"""An SMTP connection behind its greeting: commands go out in groups, answers come in order."""

import asyncio
import contextlib
from typing import NamedTuple

_LONGEST_LINE = 4096
_MOST_LINES = 100
"""Of one answer: RFC 5321 4.5.3.1.5 knows 512 octets, and the longest of answers is EHLO's."""


# RFC 5321 4.2.1: what the first digit says.
_POSITIVE, _INTERMEDIATE, _TRANSIENT, _PERMANENT = 2, 3, 4, 5


class Answer(NamedTuple):
    """What the server said to one command."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"

    @property
    def positive(self) -> bool:
        """The command was carried out."""
        return self.code // 100 == _POSITIVE

    @property
    def go_on(self) -> bool:
        """The server waits for the content."""
        return self.code // 100 == _INTERMEDIATE

    @property
    def transient(self) -> bool:
        """Refused for now."""
        return self.code // 100 == _TRANSIENT

    @property
    def permanent(self) -> bool:
        """Refused for good."""
        return self.code // 100 == _PERMANENT


class SmtpConnection(asyncio.Protocol):
    """Takes over a transport on which the server was greeted, and logged in to if need be.

    With `pipelining` (RFC 2920) a group of commands is one write. Every group has `seconds`
    to be answered. Whatever fails, or says what nobody asked for, ends the connection: an
    answer can never be taken for that to another command.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        *,
        pipelining: bool,
        seconds: float,
        international: bool = False,
    ) -> None:
        self._transport = transport
        self._pipelining = pipelining
        self.international = international
        """Whether the server takes addresses outside ASCII (SMTPUTF8, RFC 6531)."""
        self._seconds = seconds
        self._unread = b""
        self._text: list[str] = []
        self._answers: list[Answer] = []
        self._wanted = 0
        self._answered: asyncio.Future[None] | None = None
        transport.set_protocol(self)

    @property
    def closed(self) -> bool:
        """Whether it can be used no more."""
        return self._transport.is_closing()

    async def ask(self, *commands: bytes) -> list[Answer]:
        """Send commands; returns an answer for each.

        Raises OSError if the connection ended or an answer did not come in time.
        """
        if self._pipelining:
            return await self._ask(b"".join(commands), len(commands))
        return [answer for command in commands for answer in await self._ask(command, 1)]

    async def send_content(self, content: bytes) -> Answer:
        """Send what ends with a dot alone on its line; returns what becomes of it.

        Raises OSError as `ask` does.
        """
        [answer] = await self._ask(content, 1)
        return answer

    def close(self) -> None:
        """End it without a word."""
        self._transport.abort()

    async def quit(self) -> None:
        """Take leave, and end it."""
        with contextlib.suppress(OSError):
            await self.ask(b"QUIT\r\n")
        self.close()

    async def _ask(self, written: bytes, answers: int) -> list[Answer]:
        if self.closed:
            raise ConnectionResetError("the mail server has closed the connection")
        self._answers, self._wanted = [], answers
        loop = asyncio.get_running_loop()
        self._answered = loop.create_future()
        # Where `asyncio.timeout` would do, at half the price.
        deadline = loop.call_later(self._seconds, self._miss_deadline)
        try:
            self._transport.write(written)
            await self._answered
        # Cancelled, too: the answer is still to come, and would be taken for another's.
        except BaseException:
            self.close()
            raise
        finally:
            deadline.cancel()
            self._answered = None
        return self._answers

    def _miss_deadline(self) -> None:
        self._fail(f"no answer within {self._seconds:g} s", TimeoutError)

    def data_received(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            self._read(line.decode(errors="replace").rstrip())
        if len(self._unread) > _LONGEST_LINE or len(self._text) > _MOST_LINES:
            self._fail("the mail server does not come to an end")

    def _read(self, line: str) -> None:
        if self._answered is None or self._answered.done():
            self._fail("the mail server says what it was not asked")
            return
        code, mark, text = line[:3], line[3:4], line[4:]
        if not (code.isascii() and code.isdigit()) or mark not in ("", " ", "-"):
            self._fail(f"not an answer: {line}")
            return
        self._text.append(text)
        if mark != "-":
            self._answers.append(Answer(int(code), " ".join(self._text)))
            self._text = []
            if len(self._answers) == self._wanted:
                self._answered.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        said = f", last saying {self._answers[-1]}" if self._answers else ""
        self._fail(f"the mail server closed the connection{said}")

    def _fail(self, reason: str, kind: type[OSError] = ConnectionAbortedError) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(kind(reason))
        self.close()
