"""`mail check` and `mail test`, as an operator calls them."""

from email.message import EmailMessage
from pathlib import Path

import pytest

from heliograph.testing import SMTPServer
from tests.programs import command

MODULE = "services.notifier"
KINDS = ["new product", "new products", "price drop", "target met", "digest", "confirmation"]


def text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def test_one_email_of_each_kind_is_sent(tmp_path: Path, smtp_server: SMTPServer) -> None:
    settings = {
        "NOTIFIER_SMTP_URL": smtp_server.url,
        "NOTIFIER_MAIL_FROM": "Shop <news@shop.example>",
        "NOTIFIER_PUBLIC_URL": "https://notifier.example",
    }
    done = command(tmp_path, MODULE, "mail", "test", "Ada@Example.org", settings=settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{kind:<14} 250 OK" for kind in KINDS]
    assert {each.recipients for each in smtp_server.messages} == {("ada@example.org",)}
    messages = [each.message for each in smtp_server.messages]
    assert len({each["Message-ID"] for each in messages}) == len(messages) == len(KINDS)
    assert len({each["Subject"] for each in messages}) == len(KINDS)
    for kind, message in zip(KINDS[:-1], messages[:-1], strict=True):
        of_digests = "?all=digests" if kind == "digest" else ""
        link = f"<https://notifier.example/unsubscribe/test{of_digests}>"
        assert message["List-Unsubscribe"] == link
    assert "https://notifier.example/confirm/test" in text(messages[-1])


def test_what_is_not_taken_is_told_and_exits_with_1(
    tmp_path: Path, smtp_server: SMTPServer
) -> None:
    settings = {"NOTIFIER_SMTP_URL": smtp_server.url}
    smtp_server.refuse("550 5.7.1 Looks like spam")
    done = command(tmp_path, MODULE, "mail", "test", "ada@example.org", settings=settings)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "new product    not sent: 550 5.7.1 Looks like spam"
    assert lines[1:] == [f"{kind:<14} 250 OK" for kind in KINDS[1:]]


@pytest.mark.parametrize("words", [["check"], ["test", "ada@example.org"]])
def test_a_server_that_is_away_is_told_once_and_exits_with_1(
    tmp_path: Path, words: list[str], unused_tcp_port: int
) -> None:
    settings = {"NOTIFIER_SMTP_URL": f"smtp://127.0.0.1:{unused_tcp_port}"}
    done = command(tmp_path, MODULE, "mail", *words, settings=settings)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count(f"{unused_tcp_port}") >= 1
    assert sum("Error connecting" in line for line in done.stdout.splitlines()) == 1


def test_files_are_fine_and_an_address_must_be_one(tmp_path: Path) -> None:
    done = command(tmp_path, MODULE, "mail", "check")
    assert done.returncode == 0
    assert done.stdout.startswith(f"ok       emails are written into {tmp_path}/var/mail")
    refused = command(tmp_path, MODULE, "mail", "test", "ada")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "ADDRESS" in refused.stderr
