"""Who is told of something is found by an index, whatever others watch."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text, update

from heliograph.database import database_now
from heliograph.events import new_id
from services.notifier.models import Subscription
from services.notifier.repositories.notifications import NotificationRepository
from services.notifier.service import Notifier
from tests.integration.services.notifier.conftest import repriced
from tests.samples import product
from tests.statements import rows_read

SUBSCRIBE = text("""\
INSERT INTO subscription (id, email, topic, product_id, token, wish, created_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, n || '@example.org', :topic, :product_id, :topic || n,
    :topic || n, now()
FROM generate_series(CAST(:first AS int), CAST(:first AS int) + 19999) AS n
""")


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
@pytest.mark.parametrize("plan", ["force_custom_plan", "force_generic_plan"])
async def test_those_who_watch_something_else_are_not_read(notifier: Notifier, plan: str) -> None:
    lamp = product(price=Decimal("14.99"))
    async with notifier.database.transaction() as session:
        watched: tuple[tuple[str, Any], ...] = (("new_product", None), ("price_drop", new_id()))
        for first, (topic, id_) in zip((1, 20_001), watched, strict=True):
            await session.execute(SUBSCRIBE, {"first": first, "topic": topic, "product_id": id_})
        digests = {"frequency": "daily", "digest_at": database_now(), "target_minor": 2_000}
        await session.execute(update(Subscription).values(digests))
        for first, (topic, id_) in zip((40_001, 60_001), watched, strict=True):
            await session.execute(SUBSCRIBE, {"first": first, "topic": topic, "product_id": id_})
        await session.execute(text("ANALYZE subscription"))
    async with notifier.database.transaction() as session:
        await session.execute(text(f"SET LOCAL plan_cache_mode = {plan}"))
        news = repriced(lamp, "19.99", "14.99")
        before = await rows_read(session, "subscription")
        await NotificationRepository(session).add_price_drop(news, 1999, 1499)
        await NotificationRepository(session).add_met_targets(news, 1999)
        read = await rows_read(session, "subscription") - before
        assert read < 100, read
