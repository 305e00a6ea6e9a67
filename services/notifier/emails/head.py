"""The head of a letter: From and Subject, as they go out."""

from email import policy
from email.header import Header
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import Policy
from functools import lru_cache

from services.notifier.mail.envelope import written
from services.notifier.mail.errors import MailRefused


class _SubjectHeader(UnstructuredHeader, BaseHeader):
    """A subject that is read as it was written.

    Python 3.11's own folding loses the space between two encoded words (gh-92081).
    """

    def fold(self, *, policy: Policy) -> str:
        charset = "us-ascii" if self.isascii() else "utf-8"
        encoded = Header(str(self), charset, header_name=self.name).encode(linesep=policy.linesep)
        return f"{self.name}: {encoded}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("subject", _SubjectHeader)
_POLICY = policy.default.clone(header_factory=_HEADERS)


def written_head(mail_from: str, subject: str) -> str:
    """The two headers, each line ended by CRLF.

    `mail_from` is a mailbox (`Heliograph <news@example.org>`), `subject` is as `one_line` makes
    it. Raises MailRefused if they cannot be headers as they are.
    """
    return _from(mail_from) + _header("Subject", subject)


# The same for all, and half of what a head costs.
@lru_cache(4)
def _from(mail_from: str) -> str:
    return _header("From", mail_from)


def _header(name: str, value: str) -> str:
    head = EmailMessage(policy=_POLICY)
    try:
        head[name] = value
        return written(head).removesuffix(b"\r\n").decode("ascii")
    except ValueError as error:
        raise MailRefused(str(error)) from error
