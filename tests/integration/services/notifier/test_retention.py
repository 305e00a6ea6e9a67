"""Who was told what is forgotten in time, and not before."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update

from heliograph.database import database_now
from heliograph.service import Retention
from services.notifier.models import Letter, Notification, Product
from services.notifier.retention import retentions
from services.notifier.service import Notifier
from tests.integration.services.notifier.conftest import ledger, subscribe, tell, told
from tests.samples import event, product

KEPT = timedelta(days=30)


async def age(notifier: Notifier, email: str, *, state: str) -> None:
    """Let somebody's notifications be 31 days old."""
    async with notifier.database.transaction() as session:
        await session.execute(
            update(Notification)
            .where(Notification.email == email)
            .values(created_at=database_now(-31 * 86_400), state=state)
        )


def forgetful(notifier: Notifier) -> Retention:
    return retentions(notifier.database, KEPT)[0]


async def test_what_was_told_long_ago_is_forgotten(notifier: Notifier) -> None:
    for email in ("ann@example.com", "bob@example.com"):
        await subscribe(notifier, email, "new_product")
    await tell(notifier, event(created=True))

    await age(notifier, "ann@example.com", state="sent")
    assert await forgetful(notifier).prune() == 1
    assert await told(notifier) == ["bob@example.com"]

    await age(notifier, "bob@example.com", state="failed")
    assert await forgetful(notifier).prune() == 1
    assert await ledger(notifier) == []
    assert await forgetful(notifier).prune() == 0


async def test_letters_are_kept_as_long_as_the_ledger_and_products_while_they_live(
    notifier: Notifier,
) -> None:
    await subscribe(notifier, "ann@example.com", "new_product")
    gone, alive = product(), product()
    await tell(notifier, event(gone, created=True), event(alive, created=True))
    assert (await notifier.claims.claim(10)).emails
    later = gone.model_copy(update={"version": 2})
    await tell(notifier, event(later, signal="post_delete"))

    async def forget() -> None:
        for each in notifier.pruned:
            await each.prune()

    async def left() -> tuple[int, set[UUID]]:
        async with notifier.database.reading() as session:
            letters = await session.scalar(select(func.count()).select_from(Letter)) or 0
            return letters, set(await session.scalars(select(Product.id)))

    await forget()
    assert await left() == (1, {gone.id, alive.id})
    async with notifier.database.transaction() as session:
        await session.execute(update(Letter).values(created_at=database_now(-367 * 86_400)))
        await session.execute(update(Product).values(heard_at=database_now(-366 * 86_400)))
    await forget()
    assert await left() == (0, {alive.id})


async def test_an_email_that_still_waits_is_kept(notifier: Notifier) -> None:
    await subscribe(notifier, "ann@example.com", "new_product")
    await tell(notifier, event(created=True))
    await age(notifier, "ann@example.com", state="pending")
    assert await forgetful(notifier).prune() == 0


async def test_what_waited_long_is_kept_from_when_it_was_told(notifier: Notifier) -> None:
    await subscribe(notifier, "ann@example.com", "new_product")
    await tell(notifier, event(created=True))
    await age(notifier, "ann@example.com", state="sent")
    for days, forgotten in ((29, 0), (31, 1)):
        told_at = database_now(-days * 86_400)
        async with notifier.database.transaction() as session:
            await session.execute(update(Notification).values(told_at=told_at))
        assert await forgetful(notifier).prune() == forgotten


async def test_it_forgets_in_small_batches(notifier: Notifier) -> None:
    await subscribe(notifier, "ann@example.com", "new_product")
    await tell(notifier, *[event(created=True) for _ in range(3)])
    await age(notifier, "ann@example.com", state="sent")
    assert [await forgetful(notifier).prune(limit=2) for _ in range(3)] == [2, 1, 0]
