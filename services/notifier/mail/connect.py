"""From a setting to the mailer that it names."""

from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from services.notifier.mail.file import FileMailer
from services.notifier.mail.mailer import Mailer
from services.notifier.mail.smtp import SmtpMailer, SmtpServer

# RFC 5321 and RFC 8314 section 7.3.
_PORTS = {"smtp": 25, "smtps": 465}

_STARTTLS = {"required": True, "offered": None, "never": False}


def mailer(url: str) -> Mailer:
    """The mailer for a URL, not yet connected.

    `smtp://[user:password@]host[:port][?starttls=required|offered|never]` upgrades to TLS when
    the server offers it, with a user always, unless told otherwise; `smtps://` speaks TLS
    from the start. User and password are percent-encoded. `file:///directory` writes `.eml`
    files.

    Raises ValueError that says what is wrong and never repeats the URL, which may hold a
    password.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        # Its message may hold the password.
        raise ValueError("a mailer's URL is malformed") from None
    if parts.scheme == "file":
        return FileMailer(_directory(parts))
    if parts.scheme in _PORTS:
        return SmtpMailer(_server(parts))
    raise ValueError("a mailer's URL begins with smtp://, smtps:// or file:///")


def _directory(parts: SplitResult) -> Path:
    if parts.netloc not in ("", "localhost"):
        raise ValueError("a file URL names an absolute path: file:///directory")
    if not parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("a file URL names a directory and nothing else: file:///directory")
    return Path(unquote(parts.path))


def _server(parts: SplitResult) -> SmtpServer:
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError("the port of an SMTP URL is a number up to 65535") from error
    if not parts.hostname:
        raise ValueError("an SMTP URL names a host: smtp://host:port")
    if parts.path.strip("/") or parts.fragment:
        raise ValueError("an SMTP URL has no path: smtp://host:port")
    if parts.password and not parts.username:
        raise ValueError("an SMTP URL with a password names a user too")
    options = parse_qs(parts.query, keep_blank_values=True)
    starttls = options.pop("starttls", None)
    if options:
        raise ValueError(f"an SMTP URL has no option {min(options)!r}")
    if starttls and parts.scheme == "smtps":
        raise ValueError("smtps:// speaks TLS from the start and takes no starttls")
    if starttls and (len(starttls) > 1 or starttls[0] not in _STARTTLS):
        raise ValueError("starttls is required, offered or never")
    # Whoever stands in between could leave the offer out, and read the password.
    default = "required" if parts.username else "offered"
    return SmtpServer(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=parts.scheme == "smtps",
        starttls=False if parts.scheme == "smtps" else _STARTTLS[(starttls or [default])[0]],
    )
