import smtplib

import pytest

from heliograph.testing import Command, SMTPServer

EMAIL = "Subject: Hello\r\n\r\nBody\r\n"


def send(server: SMTPServer, patience: float = 10) -> None:
    with smtplib.SMTP("127.0.0.1", server.port, timeout=patience) as client:
        client.sendmail("catalog@example.com", ["reader@example.com"], EMAIL)


def test_an_email_is_kept_with_its_envelope(smtp_server: SMTPServer) -> None:
    send(smtp_server)

    [received] = smtp_server.messages
    assert received.sender == "catalog@example.com"
    assert received.recipients == ("reader@example.com",)
    assert received.message["Subject"] == "Hello"
    assert smtp_server.connections == 1


def test_a_refusal_answers_one_email_and_keeps_none(smtp_server: SMTPServer) -> None:
    smtp_server.refuse("451 Later")

    with pytest.raises(smtplib.SMTPDataError, match="Later"):
        send(smtp_server)
    assert not smtp_server.messages
    send(smtp_server)
    assert len(smtp_server.messages) == 1


def test_failures_come_in_their_order_and_may_be_taken_back(smtp_server: SMTPServer) -> None:
    first = smtp_server.refuse("451 Later")
    second = smtp_server.refuse("550 Never")
    third = smtp_server.drop()

    assert smtp_server.forgive(second)
    with pytest.raises(smtplib.SMTPDataError, match="Later"):
        send(smtp_server)
    assert not smtp_server.forgive(first)
    assert not smtp_server.owes(first)
    assert smtp_server.owes(third)


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_a_command_can_hang_for_longer_than_its_client_waits(
    smtp_server: SMTPServer, command: Command
) -> None:
    smtp_server.hang(30, command)

    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        send(smtp_server, patience=1.0)
    assert len(smtp_server.messages) == int(command == "DATA")


def test_a_recipient_can_be_refused(smtp_server: SMTPServer) -> None:
    smtp_server.refuse("550 Unknown", "RCPT")

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(smtp_server)


@pytest.mark.parametrize("accept", [True, False])
def test_a_connection_can_be_cut_after_the_final_dot(
    smtp_server: SMTPServer, *, accept: bool
) -> None:
    smtp_server.drop(accept=accept)

    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
        send(smtp_server)
    assert len(smtp_server.messages) == int(accept)
