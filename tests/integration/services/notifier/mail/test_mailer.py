"""One contract for every mailer, and what only a mail server can do."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiosmtpd import smtp as aiosmtpd

from services.notifier.mail.connect import mailer
from services.notifier.mail.envelope import Envelope
from services.notifier.mail.errors import MailDeferred, MailError, MailRefused
from services.notifier.mail.file import FileMailer
from services.notifier.mail.mailer import Mailer
from services.notifier.mail.memory import MemoryMailer
from services.notifier.mail.smtp import CONNECTIONS, SmtpMailer, SmtpServer
from tests.polling import until

LINES = [
    "Dear Zoë, 你好 👋",
    ".",
    "..two dots",
    ".a dot at the start",
    "From here on",
    "a long line " * 200,
    "trailing space ",
]


def a_message(message_id: str = "<1@shop.example>") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Bücher & Stühle <news@shop.example>"
    message["To"] = "ada@example.org"
    message["Subject"] = "Neu: Stühle für Zoë, 椅子 und " + "mehr " * 30
    message["Date"] = format_datetime(datetime(2026, 1, 31, 9, 30, tzinfo=UTC))
    message["Message-ID"] = message_id
    message.set_content("\n".join(LINES) + "\n")
    message.add_alternative("<p>" + "</p>\n<p>".join(LINES) + "</p>\n", subtype="html")
    return message


async def make_certificate(certificate: Path, key: Path) -> None:
    """One that `localhost` signs for itself."""
    making = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await making.wait() == 0


def read(content: bytes) -> EmailMessage:
    return BytesParser(EmailMessage, policy=policy.default).parsebytes(content)


def bodies(message: EmailMessage) -> list[str]:
    return [part.get_content().replace("\r\n", "\n") for part in message.iter_parts()]


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


@dataclass
class MailServer:
    """A real SMTP server that answers as it is told."""

    pipelining: bool = True
    international: bool = False
    starttls: ssl.SSLContext | None = None
    authenticator: Callable[..., aiosmtpd.AuthResult] | None = None
    received: list[tuple[str, bytes]] = field(default_factory=list)
    connections: int = 0
    mail_answer: str | None = None
    rcpt_answers: dict[str, str] = field(default_factory=dict)
    data_answer: str | None = None
    drops_after_content: bool = False
    silent: bool = False
    port: int = 0
    _open: list[aiosmtpd.SMTP] = field(default_factory=list)

    def protocol(self) -> aiosmtpd.SMTP:
        self.connections += 1
        # The server greets by its own name; the default asks the resolver.
        smtp = aiosmtpd.SMTP(
            self,
            hostname="mail.test",
            tls_context=self.starttls,
            require_starttls=bool(self.starttls),
            authenticator=self.authenticator,
            auth_require_tls=False,
            enable_SMTPUTF8=self.international,
        )
        self._open.append(smtp)
        return smtp

    def forget_connections(self) -> None:
        for smtp in self._open:
            if smtp.transport is not None:
                smtp.transport.close()
        self._open.clear()

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name and signature
        self,
        server: aiosmtpd.SMTP,
        session: aiosmtpd.Session,
        envelope: aiosmtpd.Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        return [responses[0], *["250-PIPELINING"] * self.pipelining, *responses[1:]]

    async def handle_MAIL(  # noqa: N802
        self,
        server: aiosmtpd.SMTP,
        session: aiosmtpd.Session,
        envelope: aiosmtpd.Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if self.mail_answer is not None:
            return self.mail_answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self,
        server: aiosmtpd.SMTP,
        session: aiosmtpd.Session,
        envelope: aiosmtpd.Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if address in self.rcpt_answers:
            return self.rcpt_answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: aiosmtpd.SMTP, session: aiosmtpd.Session, envelope: aiosmtpd.Envelope
    ) -> str:
        if self.data_answer is not None:
            return self.data_answer
        content = envelope.content
        assert isinstance(content, bytes)
        [recipient] = envelope.rcpt_tos
        self.received.append((recipient, content))
        if self.drops_after_content:
            assert server.transport is not None
            server.transport.close()
        if self.silent:
            await asyncio.Event().wait()
        return "250 OK"


@pytest.fixture(params=[True, False], ids=["pipelining", "in turns"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[MailServer]:
    server = MailServer(pipelining=request.param)
    listener = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    yield server
    listener.close()
    server.forget_connections()


@pytest.fixture
async def smtp(server: MailServer) -> AsyncIterator[Mailer]:
    smtp = mailer(f"smtp://127.0.0.1:{server.port}")
    yield smtp
    await smtp.close()


@dataclass
class Post:
    """A mailer and a way to read what it sent."""

    mailer: Mailer
    sent: Callable[[], list[EmailMessage]]


@pytest.fixture(params=["smtp", "file", "memory"])
async def post(
    request: pytest.FixtureRequest, tmp_path: Path, server: MailServer, smtp: Mailer
) -> Post:
    if request.param == "smtp":
        return Post(smtp, lambda: [read(content) for _, content in server.received])
    if request.param == "file":
        files = mailer(f"file://{tmp_path}/mail")
        return Post(
            files, lambda: [read(path.read_bytes()) for path in sorted(tmp_path.glob("mail/*"))]
        )
    memory = MemoryMailer()
    return Post(memory, lambda: [delivery.message for delivery in memory.sent])


async def test_what_was_sent_is_read_back_equal(post: Post) -> None:
    message = a_message()
    await post.mailer.send(Envelope.of(message, "ada@example.org"))
    [received] = post.sent()
    assert [(name, value) for name, value in received.items() if name != "Content-Type"] == [
        (name, value) for name, value in message.items() if name != "Content-Type"
    ]
    assert received.get_content_type() == "multipart/alternative"
    assert bodies(received) == bodies(message)


async def test_several_emails_arrive_in_order(post: Post) -> None:
    for number in range(3):
        await post.mailer.send(
            Envelope.of(a_message(f"<{number}@shop.example>"), "ada@example.org")
        )
    assert [message["Message-ID"] for message in post.sent()] == [
        "<0@shop.example>",
        "<1@shop.example>",
        "<2@shop.example>",
    ]


async def test_emails_sent_at_once_all_arrive(post: Post) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            message = a_message(f"<{number}@shop.example>")
            tasks.create_task(post.mailer.send(Envelope.of(message, "ada@example.org")))
    assert len(post.sent()) == 5


@pytest.mark.parametrize("recipient", ["", "ada", "ada@example.org\r\nRCPT TO:<eve@x.example>"])
async def test_what_is_not_an_address_is_refused(post: Post, recipient: str) -> None:
    with pytest.raises(MailRefused):
        await post.mailer.send(Envelope.of(a_message(), recipient))
    assert post.sent() == []


async def test_an_email_without_a_sender_is_refused(post: Post) -> None:
    message = a_message()
    del message["From"]
    with pytest.raises(MailRefused):
        await post.mailer.send(Envelope.of(message, "ada@example.org"))
    assert post.sent() == []


async def test_a_header_that_cannot_be_written_as_it_is_is_refused(post: Post) -> None:
    message = a_message()
    # A raw value, as a message that was parsed leniently may hold.
    message.set_raw("X-Note", "one\r\nBcc: eve@example.org")
    with pytest.raises(MailRefused):
        await post.mailer.send(Envelope.of(message, "ada@example.org"))
    assert post.sent() == []


async def test_a_mailer_is_ready_and_works_again_after_closing(post: Post) -> None:
    await post.mailer.check()
    await post.mailer.close()
    await post.mailer.send(Envelope.of(a_message(), "ada@example.org"))
    assert len(post.sent()) == 1


@dataclass
class Failing:
    """A mailer whose recipients fail as told, and works for all others."""

    mailer: Mailer
    fail: Callable[[str, str], None]


@pytest.fixture(params=["smtp", "memory"])
async def failing(request: pytest.FixtureRequest, server: MailServer, smtp: Mailer) -> Failing:
    if request.param == "smtp":
        return Failing(smtp, server.rcpt_answers.__setitem__)
    memory = MemoryMailer()

    def fail(recipient: str, answer: str) -> None:
        error = MailRefused if answer.startswith("5") else MailDeferred
        memory.failures[recipient] = error(answer)

    return Failing(memory, fail)


@pytest.mark.parametrize(
    ("answer", "error"),
    [("550 no such user", MailRefused), ("451 try again later", MailDeferred)],
)
async def test_a_recipient_that_fails_fails_alone(
    failing: Failing, answer: str, error: type[MailError]
) -> None:
    failing.fail("eve@example.org", answer)
    await failing.mailer.send(Envelope.of(a_message(), "ada@example.org"))
    with pytest.raises(error) as raised:
        await failing.mailer.send(Envelope.of(a_message(), "eve@example.org"))
    assert raised.value.reason == answer
    await failing.mailer.send(Envelope.of(a_message(), "ada@example.org"))


async def test_what_the_server_said_as_it_took_the_email_is_told(
    server: MailServer, smtp: Mailer, tmp_path: Path
) -> None:
    envelope = Envelope.of(a_message(), "ada@example.org")
    assert await smtp.send(envelope) == "250 OK"
    server.data_answer = "250 2.0.0 Ok: queued\tas 4xYz " + "x" * 400
    told = await smtp.send(envelope)
    assert told is not None
    assert told.startswith("250 2.0.0 Ok: queued as 4xYz ")
    assert (len(told), told.isprintable()) == (300, True)
    assert await mailer(tmp_path.as_uri()).send(envelope) is None


@pytest.mark.parametrize(
    ("answer", "hard"),
    [
        ("550 5.1.1 no such user", True),
        ("554 5.1.2 no such domain", True),
        ("550 5.1.10 the domain takes no mail", True),
        ("550-5.2.1 the account", True),
        ("550 5.1.7 your address is none", False),
        ("550 5.1.8 your domain does not exist", False),
        ("550 5.1.0 something about the address", False),
        ("552 5.2.2 the mailbox is full", False),
        ("550 5.7.1 we do not like you", False),
        ("554 5.7.1 see 5.1.1 of our policy", False),
        ("550 5.1.1.1 is no code", False),
        ("550 no such user", False),
        ("553 4.1.1 one of them is wrong", False),
    ],
)
@pytest.mark.parametrize("to_content", [False, True], ids=["RCPT", "content"])
async def test_smtp_a_refusal_is_hard_if_it_says_that_there_is_no_recipient(
    server: MailServer, smtp: Mailer, answer: str, *, to_content: bool, hard: bool
) -> None:
    first = answer.replace("550-", "550 ", 1)
    said = f"{answer}\r\n{first} and more" if answer != first else answer
    if to_content:
        server.data_answer = said
    else:
        server.rcpt_answers["eve@example.org"] = said
    with pytest.raises(MailRefused) as raised:
        await smtp.send(Envelope.of(a_message(), "eve@example.org"))
    assert raised.value.hard == hard


async def test_smtp_keeps_one_connection_even_after_a_refusal(
    server: MailServer, smtp: Mailer
) -> None:
    server.rcpt_answers["eve@example.org"] = "550 no such user"
    await smtp.send(Envelope.of(a_message(), "ada@example.org"))
    with pytest.raises(MailRefused):
        await smtp.send(Envelope.of(a_message(), "eve@example.org"))
    await smtp.send(Envelope.of(a_message(), "bob@example.org"))
    assert [recipient for recipient, _ in server.received] == ["ada@example.org", "bob@example.org"]
    assert server.connections == 1


async def test_smtp_keeps_a_few_connections_for_emails_sent_at_once(
    server: MailServer, smtp: Mailer
) -> None:
    for _ in range(2):
        async with asyncio.TaskGroup() as tasks:
            for number in range(3 * CONNECTIONS):
                envelope = Envelope.of(a_message(f"<{number}@shop.example>"), "ada@example.org")
                tasks.create_task(smtp.send(envelope))
    assert len(server.received) == 2 * 3 * CONNECTIONS
    assert server.connections == CONNECTIONS


async def test_smtp_reconnects_when_the_server_hung_up(server: MailServer, smtp: Mailer) -> None:
    await smtp.send(Envelope.of(a_message(), "ada@example.org"))
    server.forget_connections()
    await smtp.send(Envelope.of(a_message(), "ada@example.org"))
    assert len(server.received) == 2
    assert server.connections == 2


async def test_smtp_reconnects_after_being_idle(server: MailServer) -> None:
    smtp = SmtpMailer(SmtpServer("127.0.0.1", server.port, starttls=False), idle_seconds=0)
    await smtp.send(Envelope.of(a_message(), "ada@example.org"))
    await smtp.send(Envelope.of(a_message(), "ada@example.org"))
    await smtp.close()
    assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("554 looks like spam", MailRefused),
        ("452 mailbox is full", MailDeferred),
        ("421 shutting down", MailDeferred),
    ],
)
async def test_smtp_content_that_is_not_taken_is_certain(
    server: MailServer, smtp: Mailer, answer: str, error: type[MailError]
) -> None:
    server.data_answer = answer
    with pytest.raises(error) as raised:
        await smtp.send(Envelope.of(a_message(), "ada@example.org"))
    assert not getattr(raised.value, "uncertain", False)
    server.data_answer = None
    await smtp.send(Envelope.of(a_message(), "ada@example.org"))


async def test_smtp_an_address_outside_ascii_goes_to_a_server_that_takes_it(
    server: MailServer, smtp: Mailer
) -> None:
    envelope = Envelope("news@shop.example", "jürgen@example.org", "To: jürgen\r\n\r\n".encode())
    with pytest.raises(MailRefused, match="SMTPUTF8"):
        await smtp.send(envelope)
    await smtp.send(Envelope("news@shop.example", "ada@example.org", b"To: ada\r\n\r\n"))
    assert server.connections == 1

    server.international = True
    await smtp.close()
    await smtp.send(envelope)
    assert server.received[-1] == ("jürgen@example.org", "To: jürgen\r\n\r\n".encode())


async def test_smtp_a_refused_sender_defers_the_email(server: MailServer, smtp: Mailer) -> None:
    server.mail_answer = "530 log in first"
    with pytest.raises(MailDeferred, match="530 log in first"):
        await smtp.send(Envelope.of(a_message(), "ada@example.org"))


async def test_smtp_a_connection_lost_after_the_final_dot_is_uncertain(
    server: MailServer, smtp: Mailer
) -> None:
    server.drops_after_content = True
    with pytest.raises(MailDeferred) as raised:
        await smtp.send(Envelope.of(a_message(), "ada@example.org"))
    assert raised.value.uncertain
    assert len(server.received) == 1
    server.drops_after_content = False
    await smtp.send(Envelope.of(a_message(), "ada@example.org"))
    assert len(server.received) == 2


async def test_smtp_a_server_that_never_answers_is_left_at_the_deadline(
    server: MailServer,
) -> None:
    server.silent = True
    smtp = SmtpMailer(SmtpServer("127.0.0.1", server.port), command_seconds=1.0)
    with pytest.raises(MailDeferred) as raised:
        await smtp.send(Envelope.of(a_message(), "ada@example.org"))
    assert raised.value.uncertain
    await smtp.close()


async def test_smtp_an_email_cancelled_midway_leaves_the_next_one_alone(
    server: MailServer, smtp: Mailer
) -> None:
    server.silent = True
    sending = asyncio.create_task(
        smtp.send(Envelope.of(a_message("<1@shop.example>"), "ada@example.org"))
    )
    await until(lambda: server.received)
    sending.cancel()
    await asyncio.wait({sending})
    assert sending.cancelled()
    server.silent = False
    await smtp.send(Envelope.of(a_message("<2@shop.example>"), "bob@example.org"))
    assert server.received[-1][0] == "bob@example.org"
    assert server.connections == 2


async def test_smtp_a_server_that_never_greets_is_left_at_the_deadline() -> None:
    accepted = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        smtp = SmtpMailer(SmtpServer("127.0.0.1", port), connect_seconds=1.0)
        with pytest.raises(MailDeferred) as raised:
            await smtp.send(Envelope.of(a_message(), "ada@example.org"))
    assert accepted.is_set()
    assert not raised.value.uncertain


async def test_smtp_without_a_server_defers(unused_tcp_port: int) -> None:
    smtp = mailer(f"smtp://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(MailDeferred) as raised:
        await smtp.send(Envelope.of(a_message(), "ada@example.org"))
    assert not raised.value.uncertain
    with pytest.raises(MailDeferred):
        await smtp.check()
    await smtp.close()


async def test_smtp_never_speaks_plainly_where_tls_is_required(server: MailServer) -> None:
    smtp = mailer(f"smtp://127.0.0.1:{server.port}?starttls=required")
    with pytest.raises(MailDeferred):
        await smtp.send(Envelope.of(a_message(), "ada@example.org"))
    assert server.received == []


async def test_smtp_sends_no_password_in_the_clear(server: MailServer) -> None:
    logins: list[object] = []

    def authenticate(*asked: object) -> aiosmtpd.AuthResult:
        logins.append(asked[-1])
        return aiosmtpd.AuthResult(success=True)

    server.authenticator = authenticate
    url = f"smtp://ada:hush@127.0.0.1:{server.port}"
    smtp = mailer(url)
    for attempt in (smtp.check(), smtp.send(Envelope.of(a_message(), "ada@example.org"))):
        with pytest.raises(MailDeferred, match="offers no STARTTLS, and it is required"):
            await attempt
    assert logins == server.received == []
    plain = mailer(f"{url}?starttls=never")
    await plain.send(Envelope.of(a_message(), "ada@example.org"))
    assert len(logins) == len(server.received) == 1
    await plain.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
async def test_smtp_sends_no_password_to_who_is_not_who_they_say(tmp_path: Path) -> None:
    """A certificate that nobody vouches for ends the connection."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    await make_certificate(certificate, key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server = MailServer(starttls=tls)
    listener = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    smtp = mailer(f"smtp://ada:hush@localhost:{port}")
    with pytest.raises(MailDeferred, match="certificate"):
        await smtp.send(Envelope.of(a_message(), "ada@example.org"))
    assert server.received == []
    listener.close()
    server.forget_connections()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
@pytest.mark.parametrize("immediate", [True, False], ids=["smtps", "starttls"])
async def test_smtp_speaks_tls_on_every_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, immediate: bool
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    await make_certificate(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server = MailServer(starttls=None if immediate else tls)
    listener = await asyncio.get_running_loop().create_server(
        server.protocol, "127.0.0.1", 0, ssl=tls if immediate else None
    )
    port = listener.sockets[0].getsockname()[1]
    smtp = mailer(f"{'smtps' if immediate else 'smtp'}://localhost:{port}")
    for _ in range(2):
        async with asyncio.TaskGroup() as tasks:
            for number in range(2):
                envelope = Envelope.of(a_message(f"<{number}@shop.example>"), "ada@example.org")
                tasks.create_task(smtp.send(envelope))
    assert len(server.received) == 4
    assert server.connections == 2
    await smtp.close()
    listener.close()
    server.forget_connections()


async def test_sending_an_email_again_overwrites_its_file(tmp_path: Path) -> None:
    files = FileMailer(tmp_path)
    await files.send(Envelope.of(a_message("<a/../b@shop.example>"), "ada@example.org"))
    await files.send(Envelope.of(a_message("<a/../b@shop.example>"), "ada@example.org"))
    assert names(tmp_path) == ["20260131T093000Z-a%2F..%2Fb@shop.example.eml"]


async def test_an_endless_message_id_still_makes_a_file_name(tmp_path: Path) -> None:
    files = FileMailer(tmp_path)
    for end in "xy":
        await files.send(
            Envelope.of(a_message(f"<{'a' * 400}{end}@shop.example>"), "ada@example.org")
        )
    assert len(names(tmp_path)) == 2


async def test_a_directory_that_cannot_be_written_defers(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    files = FileMailer(tmp_path / "file" / "mail")
    with pytest.raises(MailDeferred):
        await files.send(Envelope.of(a_message(), "ada@example.org"))
    with pytest.raises(MailDeferred):
        await files.check()
