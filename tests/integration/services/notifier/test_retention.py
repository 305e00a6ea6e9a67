"""Who was told what is forgotten in time, and not before."""

from datetime import timedelta

from sqlalchemy import func, select, update

from heliograph.database import database_now
from services.notifier.models import Notification, Occasion
from services.notifier.service import NotificationRetention, Notifier
from tests.integration.services.notifier.conftest import ledger, subscribe, tell, told
from tests.samples import event

KEPT = timedelta(days=30)


async def age(notifier: Notifier, email: str, *, state: str) -> None:
    """Let somebody's notifications be 31 days old."""
    async with notifier.database.transaction() as session:
        await session.execute(
            update(Notification)
            .where(Notification.email == email)
            .values(created_at=database_now(-31 * 86_400), state=state)
        )


async def occasions(notifier: Notifier) -> int:
    async with notifier.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(Occasion)) or 0


async def test_what_was_told_long_ago_is_forgotten_with_its_occasion(notifier: Notifier) -> None:
    for email in ("ann@example.com", "bob@example.com"):
        await subscribe(notifier, email, "new_product")
    await tell(notifier, event(created=True))
    forgetful = NotificationRetention(notifier.database, KEPT)

    await age(notifier, "ann@example.com", state="sent")
    assert await forgetful.prune() == 1
    assert await told(notifier) == ["bob@example.com"]
    assert await occasions(notifier) == 1

    await age(notifier, "bob@example.com", state="failed")
    assert await forgetful.prune() == 1
    assert await ledger(notifier) == []
    assert await occasions(notifier) == 0
    assert await forgetful.prune() == 0


async def test_an_email_that_still_waits_is_kept(notifier: Notifier) -> None:
    await subscribe(notifier, "ann@example.com", "new_product")
    await tell(notifier, event(created=True))
    await age(notifier, "ann@example.com", state="pending")
    assert await NotificationRetention(notifier.database, KEPT).prune() == 0


async def test_it_forgets_in_small_batches(notifier: Notifier) -> None:
    await subscribe(notifier, "ann@example.com", "new_product")
    await tell(notifier, *[event(created=True) for _ in range(3)])
    await age(notifier, "ann@example.com", state="sent")
    forgetful = NotificationRetention(notifier.database, KEPT)
    assert [await forgetful.prune(limit=2) for _ in range(3)] == [2, 1, 0]
