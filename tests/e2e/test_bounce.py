"""`python -m services.notifier bounce`, as a mail server pipes to it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from heliograph.bus import MemoryBus
from services.notifier.models import Suppression
from services.notifier.service import Notifier
from services.notifier.settings import NotifierSettings
from tests.integration.services.notifier.conftest import sent
from tests.programs import STARTS_WITHIN, environment
from tests.services import migrated
from tests.unit.services.notifier.mail.returned import MESSAGE_ID, complaint, exim, postfix

ADA = "ada@example.org"


def piped(folder: Path, mail: bytes, **settings: str) -> tuple[int, str]:
    """The exit code of the command, and what it said in its one line."""
    done = subprocess.run(
        [sys.executable, "-m", "services.notifier", "bounce"],
        cwd=folder,
        env=environment(settings),
        input=mail,
        capture_output=True,
        timeout=STARTS_WITHIN,
        check=False,
    )
    assert done.stdout == b""
    [line] = done.stderr.decode().splitlines()
    return done.returncode, line


def a_notifier(folder: Path) -> Notifier:
    database_url = f"sqlite+aiosqlite:///{folder}/var/notifier.db"
    return Notifier(NotifierSettings(database_url=database_url), MemoryBus())


@pytest.fixture
def message_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of two emails that the notifier of the folder sent to Ada."""
    monkeypatch.chdir(tmp_path)

    async def send() -> list[str]:
        async with migrated(a_notifier(tmp_path)) as notifier:
            return [await sent(notifier, ADA) for _ in range(2)]

    return asyncio.run(send())


async def reasons(folder: Path) -> list[tuple[str | None, str]]:
    notifier = a_notifier(folder)
    async with notifier.database.reading() as session:
        found = [(each.email, each.reason) for each in await session.scalars(select(Suppression))]
    await notifier.close()
    return found


def test_two_reports_of_a_mail_server_suppress_an_address(
    tmp_path: Path, message_ids: list[str]
) -> None:
    first, second = (exim("550 5.1.1 x"), postfix())
    mail = first.replace(MESSAGE_ID.encode(), message_ids[0].encode())
    assert piped(tmp_path, mail) == (0, "ada@example.org: hard bounce counted")
    assert piped(tmp_path, mail) == (0, "ada@example.org: counted before")
    # Looked at are the first megabyte, and the rest is read all the same.
    mail = second.replace(MESSAGE_ID.encode(), message_ids[1].encode()) + b"x" * 3_000_000
    told = "ada@example.org: hard bounce counted, and the address is suppressed"
    assert piped(tmp_path, mail) == (0, told)
    assert asyncio.run(reasons(tmp_path)) == [(ADA, "bounced")]


def test_a_forged_report_counts_nothing(tmp_path: Path, message_ids: list[str]) -> None:
    foreign = "nothing counted: no email with that Message-ID was sent to this recipient"
    assert piped(tmp_path, complaint()) == (0, f"ada@example.org: {foreign}")
    ours = message_ids[0].encode()
    mail = postfix("eve@example.org").replace(MESSAGE_ID.encode(), ours)
    assert piped(tmp_path, mail) == (0, f"eve@example.org: {foreign}")
    assert asyncio.run(reasons(tmp_path)) == []


@pytest.mark.parametrize(
    ("mail", "told"),
    [
        (b"", "nothing counted: it is no report (multipart/report), but text/plain"),
        (
            b"\0\xff" * 600_000,
            "nothing counted: it is no report (multipart/report), but text/plain",
        ),
        (postfix(action="delivered"), "nothing counted: it tells of no failure"),
    ],
)
def test_what_is_no_bounce_is_taken_without_a_database(
    tmp_path: Path, mail: bytes, told: str
) -> None:
    assert piped(tmp_path, mail) == (0, told)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"NOTIFIER_DATABASE_URL": "postgresql+asyncpg://a:b@127.0.0.1:1/c"},
            "the database cannot be reached",
        ),
        ({"NOTIFIER_DATABASE_URL": "sqlite+aiosqlite:///new.db"}, "migrate"),
        ({"NOTIFIER_NONSENSE": "1"}, "NOTIFIER_NONSENSE"),
    ],
)
def test_what_stops_it_makes_the_mail_server_keep_the_mail(
    tmp_path: Path, settings: dict[str, str], told: str
) -> None:
    settings.setdefault("NOTIFIER_SECRET_KEY", "a key of the tests, long enough for HS256")
    code, line = piped(tmp_path, postfix(), **settings)
    assert code == os.EX_TEMPFAIL
    assert line.startswith("error: ")
    assert told in line
