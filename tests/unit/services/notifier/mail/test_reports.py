"""What is read of the mails that come back."""

import base64
import random
import time

import pytest

from services.notifier.mail.reports import NoReportError, Reported, read_report
from tests.unit.services.notifier.mail.returned import (
    EMAIL,
    MESSAGE_ID,
    complaint,
    exchange,
    exim,
    gmail,
    postfix,
    report,
)

ADA = ("ada@example.org",)


def one(mail: bytes) -> Reported:
    [found] = read_report(mail)
    assert found.message_id == MESSAGE_ID
    return found


@pytest.mark.parametrize(
    ("mail", "detail"),
    [
        (postfix(), "5.1.1 smtp; 550 5.1.1 <ada@example.org>: Recipient address rejected"),
        (exim("550-5.1.1 No such user\n 550 5.1.1 here"), "5.0.0 smtp; 550-5.1.1 No such user"),
        (exchange(), "5.1.10 smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient Ada@"),
        (gmail(), "5.2.1 smtp; 550-5.2.1 The email account that you tried to reach is 550-5.2.1"),
    ],
    ids=["postfix", "exim", "exchange", "gmail"],
)
def test_who_does_not_exist_is_a_hard_bounce(mail: bytes, detail: str) -> None:
    found = one(mail)
    assert (found.addresses, found.verdict) == (ADA, "hard")
    assert found.detail.startswith(detail)


@pytest.mark.parametrize(
    "mail",
    [
        exim("550 No such user here"),
        exim("550 5.7.1 see https://policy.example/5.1.1"),
        exim("SMTP timeout while connected to mx.example.org after 5.1.1 s"),
        postfix(status="5.7.1", diagnostic="smtp; 554 5.7.1 we do not like you"),
        postfix(status="5.1.1", diagnostic="smtp; 550 5.7.1 unknown users are spam"),
        postfix(status="5.2.2", diagnostic="smtp; 552 5.2.2 full"),
        postfix(status="5.1.8", diagnostic="smtp; 550 5.1.8 your domain"),
        postfix(status="5.4.4", diagnostic="X-Postfix; Host or domain name not found"),
        postfix(status="4.4.1", diagnostic="X-Postfix; connection timed out"),
        postfix(status="4.0.0 (5.1.1)", diagnostic=""),
        postfix(status="", diagnostic=""),
        postfix(action="delayed", status="4.1.1"),
        postfix(action="delayed (5.1.1)", status="5.1.1"),
    ],
)
def test_what_may_pass_or_is_somebodys_opinion_is_a_soft_one(mail: bytes) -> None:
    assert one(mail).verdict == "soft"


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded", "", "failedish"])
def test_an_email_that_arrived_is_no_bounce(action: str) -> None:
    assert read_report(postfix(action=action)) == []


def test_each_of_several_recipients_is_told_of() -> None:
    status = """\
Reporting-MTA: dns; mail.example
\x20
Final-Recipient: rfc822; ada@example.org
Action: failed
Status: 5.1.1
\t
Original-Recipient: rfc822; bob@example.org
Final-Recipient: rfc822; <robert@other.example>
Action: delayed
Status: 4.2.2

Final-Recipient: rfc822; eve@example.org
Action: relayed
Status: 2.1.9

Final-Recipient: x400; /C=xx/
Action: failed
Status: 5.1.1
"""
    found = read_report(report(("message/delivery-status", status), ("message/rfc822", EMAIL)))
    assert [(each.addresses, each.verdict) for each in found] == [
        (ADA, "hard"),
        (("bob@example.org", "robert@other.example"), "soft"),
    ]


@pytest.mark.parametrize("named", ["jürgen@example.org", r"j\x{FC}rgen@example.org"])
@pytest.mark.parametrize("encoding", ["8bit", "base64"])
def test_addresses_outside_ascii_are_read(named: str, encoding: str) -> None:
    status = f"""\
Reporting-MTA: dns; mail.example

Final-Recipient: utf-8; {named}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 unbekannt: jürgen
"""
    email = EMAIL.replace("ada@", "jürgen@")
    if encoding == "base64":
        status, email = (base64.encodebytes(each.encode()).decode() for each in (status, email))
    more = f"\nContent-Transfer-Encoding: {encoding}"
    found = one(
        report((f"message/global-delivery-status{more}", status), (f"message/global{more}", email))
    )
    assert found.addresses == ("jürgen@example.org",)
    assert found.detail.endswith("unbekannt: jürgen")


@pytest.mark.parametrize("kind", ["abuse", "fraud", "Opt-Out"])
@pytest.mark.parametrize("recipient", ["Original-Rcpt-To: <ada@example.org>\n", ""])
def test_a_complaint_names_its_recipient_or_the_emails(kind: str, recipient: str) -> None:
    found = one(complaint(kind, recipient))
    assert (found.addresses, found.verdict) == (ADA, "complaint")
    assert found.detail == f"{kind.lower()} Loop/2.0"


def test_who_complains_of_what_was_passed_on_is_not_the_one_it_was_sent_to() -> None:
    assert one(complaint(recipient="Original-Rcpt-To: bob@example.org\n")).addresses == (
        "bob@example.org",
    )
    assert read_report(complaint(recipient="Original-Rcpt-To: redacted\n")) == []


@pytest.mark.parametrize("kind", ["not-spam", "virus", "auth-failure", ""])
def test_feedback_of_programs_is_no_complaint(kind: str) -> None:
    assert read_report(complaint(kind)) == []


@pytest.mark.parametrize(
    ("mail", "why"),
    [
        (b"", "no report"),
        (b"\0" * 1000, "no report"),
        (bytes(range(256)) * 10, "no report"),
        (EMAIL.encode(), "multipart/alternative"),
        (b"From: ada@example.org\nSubject: I am away\n\nUntil Monday.\n", "text/plain"),
        (b"Content-Type: multipart/report\n\n--\n", "what parts it"),
        (b'Content-Type: multipart/report; boundary="' + b";" * 999_000, "endless"),
        (report(("text/plain", "x")), "neither"),
        (report(("message/disposition-notification", "Disposition: seen")), "neither"),
        (postfix(returned="Subject: x\n\nMessage-ID: <1@x>\n"), "Message-ID"),
        (postfix(returned=""), "Message-ID"),
    ],
)
def test_what_tells_nothing_says_why(mail: bytes, why: str) -> None:
    with pytest.raises(NoReportError, match=why):
        read_report(mail)


def test_nothing_that_is_garbled_does_more_than_that() -> None:
    chance = random.Random(1)  # noqa: S311 - the same each time
    samples = [postfix(), exim("550 5.1.1 x"), exchange(), gmail(), complaint()]
    pieces = [*(bytes([each]) for each in range(256)), b"\r\n\r\n", b"\xff\xfe", b";;", b"=?", b""]
    for _ in range(3_000):
        mail = bytearray(chance.choice(samples))
        for _ in range(chance.randrange(1, 30)):
            at = chance.randrange(len(mail))
            mail[at : at + chance.randrange(3)] = chance.choice(pieces)
        try:
            read_report(bytes(mail))
        except NoReportError:
            continue


@pytest.mark.parametrize(
    "filling",
    [
        "\n",
        "Final-Recipient: rfc822; ada@example.org\nAction: failed\n\n",
        "--a/b.c=d\nContent-Type: message/delivery-status\n\n",
        "X: y\n",
        ' ;"=\\',
        "Original-Recipient: rfc822; " + "a" * 1000 + "\n ",
    ],
)
def test_a_megabyte_of_anything_is_read_at_once(filling: str) -> None:
    flood = filling * (1_000_000 // len(filling))
    began = time.process_time()
    for part in ("message/delivery-status", "message/rfc822"):
        for mail in (
            report((part, f"Final-Recipient: {flood}"), ("message/rfc822", EMAIL)),
            flood.encode() + postfix(),
            f"X: {flood}\n".encode() + postfix(),
        ):
            try:
                read_report(mail[: 1 << 20])
            except NoReportError:
                continue
    assert time.process_time() - began < 10
