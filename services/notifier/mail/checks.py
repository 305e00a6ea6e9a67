"""What can be known of sending emails before any is sent."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, urlsplit

from aiosmtplib import SMTP, SMTPException

from services.notifier.mail.errors import MailDeferred, one_line
from services.notifier.mail.file import FileMailer
from services.notifier.mail.mailer import Mailer
from services.notifier.mail.smtp import (
    COMMAND_SECONDS,
    CONNECT_SECONDS,
    NO_STARTTLS,
    SmtpMailer,
    SmtpServer,
)

RESOLVE_SECONDS = 5.0

# RFC 2606, RFC 6761, RFC 6762, RFC 9476; and what is common within one's own walls.
_NOWHERE = {"localhost", "local", "test", "example", "invalid", "alt", "internal", "lan", "home"}
_EXAMPLES = {"example.com", "example.net", "example.org"}


class Finding(NamedTuple):
    """One thing that was looked at, and what to do about it if it is not well."""

    level: Literal["ok", "warning", "error"]
    words: str


async def check_mail(mailer: Mailer, sender: str, public_url: str) -> AsyncIterator[Finding]:
    """Look at the mail server, and at what receivers will look at; sends nothing.

    `sender` is the address in From. Where emails are files nobody receives them, and what
    receivers would refuse is a warning.
    """
    if isinstance(mailer, SmtpMailer):
        async for finding in _server(mailer.server, sender):
            yield finding
    elif isinstance(mailer, FileMailer):
        yield await _directory(mailer)
    bad: Literal["warning", "error"] = "error" if isinstance(mailer, SmtpMailer) else "warning"
    domain = sender.rpartition("@")[2]
    if _is_somewhere(domain):
        yield Finding("ok", f"Message-IDs end in @{domain}, the domain of the sender")
        yield await _resolved(domain)
    else:
        words = f"{domain} is no domain of the Internet, and emails from {sender}, with such "
        yield Finding(bad, f"{words}Message-IDs, are refused: set NOTIFIER_MAIL_FROM")
    against = list(_against(urlsplit(public_url)))
    for words in against:
        yield Finding(bad, f"{words}: set NOTIFIER_PUBLIC_URL, now {public_url}")
    if not against:
        yield Finding("ok", f"links lead to {public_url}")


async def _directory(mailer: FileMailer) -> Finding:
    try:
        await mailer.check()
    except MailDeferred as error:
        return Finding("error", f"{error.reason}: see NOTIFIER_SMTP_URL")
    where = mailer.directory.absolute()
    return Finding("ok", f"emails are written into {where} and sent to nobody")


async def _server(server: SmtpServer, sender: str) -> AsyncIterator[Finding]:
    """Greet the server as for an email, and take leave before one."""
    smtp = SMTP(
        hostname=server.host,
        port=server.port,
        local_hostname=socket.gethostname(),
        timeout=COMMAND_SECONDS,
        use_tls=server.tls,
        start_tls=False,
    )
    doing = f"connect to {server.host}:{server.port}"
    try:
        await smtp.connect(timeout=CONNECT_SECONDS)
        yield Finding("ok", f"connected to {server.host}:{server.port}")
        doing = "greet the mail server"
        await smtp.ehlo()
        yield Finding("ok", f"it offers {_offers(smtp)}")
        doing = "start TLS"
        if not server.tls and server.starttls is not False and smtp.supports_extension("starttls"):
            await smtp.starttls()
            await smtp.ehlo()
            yield Finding("ok", f"behind TLS it offers {_offers(smtp)}")
        elif server.starttls:
            yield Finding("error", NO_STARTTLS)
            return
        yield _encryption(smtp, server)
        doing = f"log in as {server.username}"
        if server.username:
            if _would_be_heard(smtp, server):
                yield Finding(
                    "error", "the password would go out in the clear: use smtps://, or STARTTLS"
                )
                return
            await smtp.login(server.username, server.password or "")
            yield Finding("ok", f"logged in as {server.username}")
        if not smtp.supports_extension("smtputf8"):
            words = "it has no SMTPUTF8: people whose addresses are not ASCII get no emails"
            yield Finding("warning", words)
        doing = f"send as {sender}"
        await smtp.mail(sender)
        await smtp.rset()
        yield Finding("ok", f"it takes emails from {sender}")
        with contextlib.suppress(SMTPException, OSError):
            await smtp.quit()
    except (SMTPException, OSError) as error:
        yield Finding("error", f"cannot {doing}: {one_line(str(error))}: see NOTIFIER_SMTP_URL")
    finally:
        smtp.close()


def _offers(smtp: SMTP) -> str:
    """The lines behind the first of the answer to EHLO."""
    answer = smtp.last_ehlo_response
    lines = answer.message.splitlines()[1:] if answer else []
    return ", ".join(filter(None, map(one_line, lines))) or "nothing beyond plain SMTP"


def _encryption(smtp: SMTP, server: SmtpServer) -> Finding:
    tls = smtp.get_transport_info("ssl_object")
    if tls is not None:
        return Finding("ok", f"encrypted with {tls.version()}, the certificate is valid")
    if _is_loopback(server.host):
        return Finding("ok", "not encrypted, and on this machine")
    return Finding("warning", "not encrypted: whoever is in between reads the emails")


def _would_be_heard(smtp: SMTP, server: SmtpServer) -> bool:
    encrypted = smtp.get_transport_info("ssl_object") is not None
    return not (encrypted or _is_loopback(server.host))


async def _resolved(domain: str) -> Finding:
    """Look for an address; the standard library cannot ask for MX records."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            await loop.getaddrinfo(domain, 25)
    except (OSError, UnicodeError) as error:
        why = one_line(str(error)) or "no answer"
        return Finding(
            "warning",
            f"{domain} has no address that is found from here ({why}): without an MX record "
            "bounces and answers go nowhere, and emails from it are refused",
        )
    return Finding("ok", f"{domain} has an address")


def _against(url: SplitResult) -> Iterator[str]:
    """What speaks against it as the beginning of the links in emails."""
    if not _is_somewhere(url.hostname or ""):
        yield "links in emails lead to where nobody else comes"
    if url.scheme != "https":
        yield "one click to unsubscribe (RFC 8058) needs https"


def _is_somewhere(host: str) -> bool:
    """Whether the host may be one of the Internet, as far as its name says."""
    try:
        return ip_address(host).is_global
    except ValueError:
        labels = host.lower().split(".")
    return len(labels) > 1 and labels[-1] not in _NOWHERE and ".".join(labels[-2:]) not in _EXAMPLES


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
