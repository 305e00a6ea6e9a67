"""Emails as files, for a machine without a mail server."""

import asyncio
import os
import tempfile
from datetime import UTC
from email import policy
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from services.notifier.mail.envelope import Envelope
from services.notifier.mail.errors import MailDeferred

# Leaves room for the date and the suffix in the 255 bytes of a file name.
_LONGEST_NAME = 200


class FileMailer:
    """Writes each email as an `.eml` file that mail programs open.

    A file appears whole or not at all. It is named by the email's Date and Message-ID, so
    files sort by time and sending an email again overwrites its file. Raises MailDeferred
    when the directory cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    async def send(self, envelope: Envelope) -> str | None:
        try:
            await asyncio.to_thread(self._write, _file_name(envelope.content), envelope.content)
        except OSError as error:
            raise MailDeferred(f"cannot write the email: {error}") from error
        return None

    async def check(self) -> None:
        try:
            await asyncio.to_thread(self.directory.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise MailDeferred(f"cannot create the mail directory: {error}") from error
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise MailDeferred(f"cannot write to the mail directory {self.directory}")

    async def close(self) -> None:
        """Nothing is held between two emails."""

    def _write(self, name: str, content: bytes) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=self.directory, prefix=".", suffix=".tmp", delete=False
        ) as file:
            unfinished = Path(file.name)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                unfinished.replace(self.directory / name)
            except OSError:
                unfinished.unlink(missing_ok=True)
                raise


def _file_name(content: bytes) -> str:
    headers = BytesHeaderParser(policy=policy.default).parsebytes(content)
    date = headers["Date"]
    time = f"{parsedate_to_datetime(date).astimezone(UTC):%Y%m%dT%H%M%SZ}-" if date else ""
    message_id = str(headers["Message-ID"] or sha256(content).hexdigest())
    name = quote(message_id.strip("<>"), safe="@")
    if len(name) > _LONGEST_NAME:
        name = sha256(name.encode()).hexdigest()
    return f"{time}{name}.eml"
