"""Clocks may jump: nothing of ours compares the wall clocks of two processes."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]

# Written into events and rows for people to read, or asked for by a standard.
FOR_READING = {
    "shared/heliograph/tokens.py",
    "shared/heliograph/events/event.py",
    "shared/heliograph/http/inbox_metrics.py",
    "shared/heliograph/inbox/worker.py",
    "shared/heliograph/storage/memory.py",
    "shared/heliograph/testing/mail_server.py",
    "services/catalog/api/products.py",
    "services/catalog/images/audit.py",
    "services/catalog/repositories/announcing.py",
    "services/notifier/cli/mail.py",
    "services/notifier/repositories/subscriptions.py",
    "services/notifier/sending/worker.py",
}


def test_wall_clocks_are_read_only_for_what_people_read() -> None:
    reading = re.compile(r"\btime\.time\(|\bdatetime\.now\(|\butcnow\(")
    found = {
        str(path.relative_to(ROOT))
        for folder in ("shared", "services")
        for path in (ROOT / folder).rglob("*.py")
        if reading.search(path.read_text())
    }
    # All of the console is for people to read.
    others = {each for each in found if not each.startswith("services/console/")}
    assert others <= FOR_READING, others - FOR_READING
