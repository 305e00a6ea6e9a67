"""An SMTP connection to servers that say what no good server would."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from services.notifier.mail.envelope import Envelope
from services.notifier.mail.errors import MailDeferred, MailRefused
from services.notifier.mail.smtp import SmtpMailer, SmtpServer
from services.notifier.mail.smtp_connection import Answer, SmtpConnection

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

ENVELOPE = Envelope("news@shop.example", "ada@example.org", b"Subject: x\r\n\r\n.\r\n..a\r\n")


@asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[int]:
    """Yield the port of a server that talks so on each connection, and then hangs up."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def connected(
    talk: Talk, *, pipelining: bool = True, seconds: float = 5.0
) -> AsyncIterator[SmtpConnection]:
    async with serving(talk) as port:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
        connection = SmtpConnection(transport, pipelining=pipelining, seconds=seconds)
        yield connection
        connection.close()


def saying(*answers: bytes) -> Talk:
    """A server that waits for something, says the next of these, and waits again."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(1000)
            writer.write(answer)
        await reader.read()

    return talk


async def test_a_group_of_commands_is_sent_and_answered_at_once() -> None:
    async with connected(saying(b"250 a\r\n550-no\r\n550 such user\r\n503 first RCPT\r\n")) as smtp:
        answers = await smtp.ask(b"MAIL\r\n", b"RCPT\r\n", b"DATA\r\n")
    assert answers == [Answer(250, "a"), Answer(550, "no such user"), Answer(503, "first RCPT")]


async def test_without_pipelining_each_command_waits_for_the_answer_before_it() -> None:
    async with connected(saying(b"250 a\r\n", b"250 b\r\n"), pipelining=False) as smtp:
        assert await smtp.ask(b"MAIL\r\n", b"RCPT\r\n") == [Answer(250, "a"), Answer(250, "b")]


async def test_answers_may_come_in_pieces() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        for byte in b"250-first\r\n250 second\r\n354 go on\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with connected(talk) as smtp:
        answers = await smtp.ask(b"RCPT\r\n", b"DATA\r\n")
    assert answers == [Answer(250, "first second"), Answer(354, "go on")]


@pytest.mark.parametrize(
    "said", [b"hello\r\n", b"2\xff0 a\r\n", b"250=a\r\n", b"250-a\r\n" * 200, b"2" * 9000]
)
async def test_what_is_no_answer_ends_the_connection(said: bytes) -> None:
    async with connected(saying(said)) as smtp:
        with pytest.raises(ConnectionError):
            await smtp.ask(b"MAIL\r\n")
        assert smtp.closed


async def test_what_nobody_asked_for_is_never_taken_for_an_answer() -> None:
    async with connected(saying(b"250 a\r\n250 b\r\n")) as smtp:
        assert await smtp.ask(b"MAIL\r\n") == [Answer(250, "a")]
        assert smtp.closed
        with pytest.raises(ConnectionError):
            await smtp.ask(b"RCPT\r\n")


async def test_a_server_that_hangs_up_is_quoted() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"421 too many emails\r\n")

    async with connected(talk) as smtp:
        with pytest.raises(ConnectionError, match="421 too many emails"):
            await smtp.ask(b"MAIL\r\n", b"RCPT\r\n", b"DATA\r\n")


async def test_a_server_that_is_silent_is_left_at_the_deadline() -> None:
    async with connected(saying(), seconds=0.1) as smtp:
        with pytest.raises(TimeoutError, match="no answer within"):
            await smtp.ask(b"MAIL\r\n")
        assert smtp.closed


async def test_a_server_that_asks_for_the_content_of_nobody_gets_none() -> None:
    received = b""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        writer.write(b"220 here\r\n")
        await reader.readline()
        writer.write(b"250-here\r\n250 PIPELINING\r\n")
        await reader.readuntil(b"DATA\r\n")
        writer.write(b"250 a\r\n550 no such user\r\n354 go on\r\n")
        received = await reader.read()

    async with serving(talk) as port:
        mailer = SmtpMailer(SmtpServer("127.0.0.1", port))
        with pytest.raises(MailRefused, match="550 no such user"):
            await mailer.send(ENVELOPE)
    assert received == b""


def answering(content: bytes, *, to_data: bytes = b"354 go on\r\n") -> tuple[Talk, list[bytes]]:
    """A server that says so to the content, and what it received as such."""
    received: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        await reader.readline()
        writer.write(b"250-here\r\n250 PIPELINING\r\n")
        await reader.readuntil(b"DATA\r\n")
        writer.write(b"250 a\r\n250 b\r\n" + to_data)
        try:
            received.append(await reader.readuntil(b"\r\n.\r\n"))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return
        writer.write(content)

    return talk, received


@pytest.mark.parametrize(
    "said",
    [b"354 go on\r\n", b"150 wait\r\n", b"999 what\r\n", b"hello\r\n", b"250-", b"250", b""],
)
async def test_an_answer_to_the_content_that_is_none_leaves_the_email_uncertain(
    said: bytes,
) -> None:
    talk, received = answering(said)
    async with serving(talk) as port:
        mailer = SmtpMailer(SmtpServer("127.0.0.1", port))
        with pytest.raises(MailDeferred) as raised:
            await mailer.send(ENVELOPE)
    assert raised.value.uncertain
    assert received == [b"Subject: x\r\n\r\n..\r\n...a\r\n.\r\n"]


async def test_a_connection_that_ended_before_the_content_leaves_no_doubt() -> None:
    talk, received = answering(b"250 c\r\n", to_data=b"354 go on\r\n421 shutting down\r\n")
    async with serving(talk) as port:
        mailer = SmtpMailer(SmtpServer("127.0.0.1", port))
        with pytest.raises(MailDeferred, match="before the content") as raised:
            await mailer.send(ENVELOPE)
    assert not raised.value.uncertain
    assert received == []
