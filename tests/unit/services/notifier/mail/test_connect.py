from typing import Any

import pytest

from services.notifier.mail import connect as module
from services.notifier.mail.connect import mailer
from services.notifier.mail.errors import MailDeferred
from services.notifier.mail.file import FileMailer
from services.notifier.mail.smtp import SmtpMailer, SmtpServer


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.test", SmtpServer("mail.test", 25)),
        ("smtp://mail.test:2525/", SmtpServer("mail.test", 2525)),
        ("smtp://[::1]:2525", SmtpServer("::1", 2525)),
        ("smtp://mail.test?starttls=required", SmtpServer("mail.test", 25, starttls=True)),
        ("smtp://mail.test?starttls=never", SmtpServer("mail.test", 25, starttls=False)),
        (
            "smtp://ada:word@mail.test",
            SmtpServer("mail.test", 25, "ada", "word", starttls=True),
        ),
        ("smtp://ada@mail.test", SmtpServer("mail.test", 25, "ada", starttls=True)),
        (
            "smtp://ada:word@mail.test?starttls=offered",
            SmtpServer("mail.test", 25, "ada", "word", starttls=None),
        ),
        (
            "smtp://ada:word@mail.test?starttls=never",
            SmtpServer("mail.test", 25, "ada", "word", starttls=False),
        ),
        (
            "smtps://ada%40example.org:p%2Fw%3Aord@mail.test",
            SmtpServer("mail.test", 465, "ada@example.org", "p/w:ord", tls=True, starttls=False),
        ),
    ],
)
def test_an_smtp_url_says_where_and_how(
    url: str, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers: list[Any] = []
    monkeypatch.setattr(module, "SmtpMailer", servers.append)
    mailer(url)
    assert servers == [server]


def test_the_scheme_chooses_the_mailer() -> None:
    assert isinstance(mailer("smtp://mail.test"), SmtpMailer)
    assert isinstance(mailer("file:///var/mail%20box"), FileMailer)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "begins with"),
        ("http://mail.test", "begins with"),
        ("smtp://", "names a host"),
        ("smtp://mail.test:port", "port"),
        ("smtp://mail.test:99999", "port"),
        ("smtp://mail.test/path", "no path"),
        ("smtp://:secret@mail.test", "names a user"),
        ("smtp://mail.test?tls=1", "no option 'tls'"),
        ("smtp://mail.test?starttls=maybe", "starttls is"),
        ("smtps://mail.test?starttls=required", "takes no starttls"),
        ("smtp://user:secret@[::1", "malformed"),
        ("file://var/mail", "absolute path"),
        ("file:///", "a directory"),
    ],
)
def test_a_wrong_url_is_named_without_repeating_it(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as raised:
        mailer(url)
    assert "secret" not in str(raised.value)


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(SmtpServer("mail.test", 25, "ada", "secret"))


def test_the_reason_of_an_error_is_one_printable_line() -> None:
    assert MailDeferred("451 later\r\n\x00\udcff please " + "x" * 900).reason == (
        "451 later please " + "x" * 283
    )
