"""What `mail check` finds, of real servers; nothing is sent to any."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiosmtpd import smtp as aiosmtpd

from services.notifier.mail.checks import Finding, check_mail
from services.notifier.mail.connect import mailer
from tests.integration.services.notifier.mail.test_mailer import MailServer, make_certificate

SENDER, PUBLIC_URL = "news@shop.invalid", "https://notifier.shop.dev"
USER = "ada:hush@"


@asynccontextmanager
async def listening(server: MailServer) -> AsyncIterator[MailServer]:
    listener = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        server.forget_connections()
    assert server.received == []


async def found(url: str, sender: str = SENDER, public_url: str = PUBLIC_URL) -> list[Finding]:
    return [each async for each in check_mail(mailer(url), sender, public_url)]


def errors(findings: list[Finding]) -> list[str]:
    return [words for level, words in findings if level == "error" and SENDER not in words]


async def test_a_server_is_asked_what_it_offers_and_takes_the_sender() -> None:
    async with listening(MailServer(international=True)) as server:
        findings = await found(f"smtp://127.0.0.1:{server.port}")
    told = [words for level, words in findings if level == "ok"]
    assert told[0] == f"connected to 127.0.0.1:{server.port}"
    assert told[1].startswith("it offers PIPELINING, SIZE 33554432, 8BITMIME, SMTPUTF8")
    assert told[2:4] == ["not encrypted, and on this machine", f"it takes emails from {SENDER}"]


async def test_what_it_lacks_is_a_warning() -> None:
    async with listening(MailServer()) as server:
        findings = await found(f"smtp://0.0.0.0:{server.port}")
    warned = [words for level, words in findings if level == "warning"]
    assert warned[0].startswith("not encrypted: whoever is in between")
    assert warned[1].startswith("it has no SMTPUTF8")


async def test_a_sender_that_it_does_not_take_is_an_error() -> None:
    async with listening(MailServer(mail_answer="553 not one of yours")) as server:
        findings = await found(f"smtp://127.0.0.1:{server.port}", sender="news@other.dev")
    [told] = errors(findings)
    assert told.startswith("cannot send as news@other.dev: ")
    assert "not one of yours" in told


async def test_a_server_that_is_away_is_an_error(unused_tcp_port: int) -> None:
    [told] = errors(await found(f"smtp://127.0.0.1:{unused_tcp_port}"))
    assert told.startswith(f"cannot connect to 127.0.0.1:{unused_tcp_port}: ")
    assert told.endswith("see NOTIFIER_SMTP_URL")


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("smtp://{user}127.0.0.1:{port}", "the mail server offers no STARTTLS"),
        ("smtp://127.0.0.1:{port}?starttls=required", "the mail server offers no STARTTLS"),
        # This machine, but not by a name of the loopback interface.
        ("smtp://{user}0.0.0.0:{port}?starttls=never", "the password would go out in the clear"),
        ("smtp://{user}0.0.0.0:{port}?starttls=offered", "the password would go out in the clear"),
    ],
)
async def test_no_password_is_sent_in_the_clear(where: str, told: str) -> None:
    logins: list[object] = []

    def authenticate(*asked: object) -> aiosmtpd.AuthResult:
        logins.append(asked)
        return aiosmtpd.AuthResult(success=True)

    async with listening(MailServer(authenticator=authenticate)) as server:
        [error] = errors(await found(where.format(user=USER, port=server.port)))
    assert error.startswith(told)
    assert logins == []


@pytest.mark.parametrize("known", [True, False])
async def test_on_this_machine_a_user_is_logged_in(*, known: bool) -> None:
    result = aiosmtpd.AuthResult(success=known, handled=False)
    server = MailServer(authenticator=lambda *_: result)
    async with listening(server):
        findings = await found(f"smtp://{USER}127.0.0.1:{server.port}?starttls=never")
    if known:
        assert Finding("ok", "logged in as ada") in findings
    else:
        [error] = errors(findings)
        assert error.startswith("cannot log in as ada: ")
        assert "credentials invalid" in error


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_is_started_and_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, trusted: bool
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    await make_certificate(certificate, key)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    async with listening(MailServer(starttls=tls)) as server:
        findings = await found(f"smtp://localhost:{server.port}")
    told = [words for level, words in findings if level == "ok"]
    assert "STARTTLS" in told[1]
    if trusted:
        assert told[2].startswith("behind TLS it offers ")
        assert "STARTTLS" not in told[2]
        assert told[3] == "encrypted with TLSv1.3, the certificate is valid"
    else:
        [error] = errors(findings)
        assert error.startswith("cannot start TLS: ")
        assert "certificate" in error


@pytest.mark.parametrize(
    ("sender", "public_url", "level", "told"),
    [
        ("a@localhost", PUBLIC_URL, "error", "localhost is no domain of the Internet"),
        ("a@shop.example", PUBLIC_URL, "error", "shop.example is no domain of the Internet"),
        ("a@www.example.org", PUBLIC_URL, "error", "www.example.org is no domain"),
        (
            "a@no-such-name.heliograph-of-nobody.dev",
            PUBLIC_URL,
            "warning",
            "no-such-name.heliograph-of-nobody.dev has no address that is found from here",
        ),
        (SENDER, "http://127.0.0.1:8001", "error", "links in emails lead to where nobody else"),
        (SENDER, "https://localhost", "error", "links in emails lead to where nobody else"),
        (SENDER, "https://10.0.0.1", "error", "links in emails lead to where nobody else"),
        (SENDER, "https://notifier", "error", "links in emails lead to where nobody else"),
        (SENDER, "http://shop.dev", "error", "one click to unsubscribe (RFC 8058) needs https"),
        (SENDER, "https://shop.dev/x", "ok", "links lead to https://shop.dev/x"),
        ("a@shop.dev", PUBLIC_URL, "ok", "Message-IDs end in @shop.dev"),
    ],
)
async def test_sender_and_links_are_looked_at(
    tmp_path: Path, sender: str, public_url: str, level: str, told: str
) -> None:
    async with listening(MailServer()) as server:
        findings = await found(f"smtp://127.0.0.1:{server.port}", sender, public_url)
    assert [each.level for each in findings if each.words.startswith(told)] == [level]
    # Of files nobody is a receiver.
    written = await found(tmp_path.as_uri(), sender, public_url)
    assert [each.level for each in written if each.words.startswith(told)] == [
        "warning" if level == "error" else level
    ]


async def test_a_directory_is_named_and_must_be_one(tmp_path: Path) -> None:
    findings = await found((tmp_path / "mail").as_uri())
    assert findings[0] == Finding(
        "ok", f"emails are written into {tmp_path}/mail and sent to nobody"
    )
    (tmp_path / "file").touch()
    [error] = errors(await found((tmp_path / "file").as_uri()))
    assert error.startswith("cannot create the mail directory")
