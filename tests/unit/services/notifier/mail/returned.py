"""Mails that come back, in the manner of the programs that write them."""

MESSAGE_ID = (
    "<019ac0de-0000-7000-8000-000000000001.019ac0de-0000-7000-8000-000000000002@shop.example>"
)

HEADERS = f"""\
From: Shop <news@shop.example>
Subject: New: Chair
To: ada@example.org
Date: Sat, 31 Jan 2026 09:30:00 +0000
Message-ID: {MESSAGE_ID}
List-Unsubscribe: <https://notifier.example/unsubscribe/x>
Content-Type: multipart/alternative; boundary="=_heliograph"
"""

EMAIL = f"""\
{HEADERS}
--=_heliograph
Content-Type: text/plain; charset="utf-8"

A new chair.
--=_heliograph--
"""


def report(
    *parts: tuple[str, str],
    kind: str = "delivery-status",
    head: str = "From: Mail Delivery System <MAILER-DAEMON@mail.example>\n",
    boundary: str = "a/b.c=d",
) -> bytes:
    """A multipart/report of parts that have a type, with more headers if need be, and a content."""
    declared = f'Content-Type: multipart/report; report-type={kind};\n\tboundary="{boundary}"'
    body = "".join(f"--{boundary}\nContent-Type: {of}\n\n{text}\n" for of, text in parts)
    preamble = "This is a MIME-encapsulated message.\n\n"
    return f"{head}{declared}\nMIME-Version: 1.0\n\n{preamble}{body}--{boundary}--\n".encode()


def postfix(
    recipient: str = "ada@example.org",
    action: str = "failed",
    status: str = "5.1.1",
    diagnostic: str = "smtp; 550 5.1.1 <ada@example.org>: Recipient address rejected: User unknown",
    returned: str = EMAIL,
) -> bytes:
    """One line in the notice for people, much in the one for programs, the whole email."""
    return report(
        ("text/plain; charset=us-ascii", f"<{recipient}>: host mx.example.org said: unknown"),
        (
            "message/delivery-status",
            f"""\
Reporting-MTA: dns; mail.shop.example
X-Postfix-Queue-ID: 4dK2xY1
X-Postfix-Sender: rfc822; news@shop.example
Arrival-Date: Sat, 31 Jan 2026 09:30:01 +0000 (UTC)

Final-Recipient: rfc822; {recipient}
Original-Recipient: rfc822;{recipient}
Action: {action}
Status: {status}
Remote-MTA: dns; mx.example.org
Diagnostic-Code: {diagnostic}
""",
        ),
        ("message/rfc822", returned),
        head="Return-Path: <>\nFrom: MAILER-DAEMON@mail.shop.example (Mail Delivery System)\n",
    )


def exim(diagnostic: str) -> bytes:
    """It says 5.0.0 of everything, and is piped with a line of the mbox format before it."""
    return b"From MAILER-DAEMON Sat Jan 31 09:30:02 2026\n" + report(
        ("text/plain; charset=us-ascii", "This message was created automatically by Exim."),
        (
            "message/delivery-status",
            f"""\
Reporting-MTA: dns; mail.shop.example

Action: failed
Final-Recipient: rfc822;ada@example.org
Status: 5.0.0
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; {diagnostic}
""",
        ),
        ("text/rfc822-headers", HEADERS),
        boundary="1769851802-eximdsn-1",
    )


def exchange() -> bytes:
    """Lines end with CRLF, the address is written large, and 5.1.10 means the mailbox."""
    mail = report(
        ("multipart/alternative; boundary=inner", "--inner\n\nYour message was not delivered.\n"),
        (
            "message/delivery-status",
            """\
Reporting-MTA: dns;AM0PR01.prod.example
Received-From-MTA: dns;mail.shop.example

Final-Recipient: RFC822;Ada@Example.org
Action: Failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient
 Ada@Example.org not found by SMTP address lookup
X-Display-Name: Ada
""",
        ),
        ("message/rfc822", EMAIL),
    )
    return mail.replace(b"\n", b"\r\n")


def gmail() -> bytes:
    """The answer is quoted line by line, and the notice for people has parts of its own."""
    return report(
        ('multipart/related; boundary="r"', "--r\nContent-Type: text/html\n\n<p>Hm\n--r--\n"),
        (
            "message/delivery-status",
            """\
Reporting-MTA: dns; googlemail.example
Arrival-Date: Sat, 31 Jan 2026 01:30:00 -0800 (PST)
X-Original-Message-ID: <other@shop.example>

Final-Recipient: rfc822; ada@example.org
Action: failed
Status: 5.2.1
Remote-MTA: dns; mx.example.org. (192.0.2.1, the server for the domain.)
Diagnostic-Code: smtp; 550-5.2.1 The email account that you tried to reach is
 550-5.2.1 inactive. For more information, go to
 550 5.2.1 https://support.example/mail/?p=DisabledUser - gsmtp
Last-Attempt-Date: Sat, 31 Jan 2026 01:30:01 -0800 (PST)
""",
        ),
        ("message/rfc822", EMAIL),
    )


def complaint(
    kind: str = "abuse", recipient: str = "Original-Rcpt-To: <ada@example.org>\n"
) -> bytes:
    """A feedback loop's."""
    return report(
        ("text/plain", "This is an email abuse report."),
        (
            "message/feedback-report",
            f"Feedback-Type: {kind}\nUser-Agent: Loop/2.0\nVersion: 1\n{recipient}",
        ),
        ("message/rfc822", EMAIL),
        kind="feedback-report",
    )
