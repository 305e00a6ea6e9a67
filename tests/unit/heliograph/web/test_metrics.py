import httpx2
from fastapi import FastAPI

from heliograph.web.metrics import Metrics


async def scrape(metrics: Metrics) -> str:
    app = FastAPI()
    app.include_router(metrics.router())
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/metrics")
        assert answer.status_code == 200
        return answer.text


async def test_two_services_in_one_process_count_for_themselves() -> None:
    catalog, notifier = Metrics(), Metrics()
    catalog.relay_published.inc(3)
    catalog.viewed_dropped.inc()
    notifier.mail.labels("sent").inc()
    text = await scrape(catalog)
    assert "relay_published_total 3.0" in text
    assert "viewed_dropped_total 1.0" in text
    assert 'mail_total{state="sent"} 1.0' in await scrape(notifier)
    assert "mail_total{" not in text


async def test_gauges_are_refreshed_when_they_are_read() -> None:
    metrics = Metrics()
    rows = iter((5, 6))

    async def refresh() -> None:
        metrics.outbox_rows.set(next(rows))

    metrics.add_refresh(refresh)
    assert "outbox_rows 5.0" in await scrape(metrics)
    assert "outbox_rows 6.0" in await scrape(metrics)


async def test_a_refresh_that_fails_leaves_the_other_metrics_readable() -> None:
    metrics = Metrics()

    async def fails() -> None:
        raise OSError("the database is away")

    async def works() -> None:
        metrics.inbox_rows.labels("notifier.email_price_drop", "held").set(2)

    metrics.add_refresh(fails)
    metrics.add_refresh(works)
    series = 'inbox_rows{receiver="notifier.email_price_drop",state="held"} 2.0'
    assert series in await scrape(metrics)
