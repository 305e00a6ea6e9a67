import asyncio

import httpx2
import pytest
from prometheus_client import Counter, Gauge

from heliograph.http import Health, Metrics, plain_app
from heliograph.http import metrics as room


async def scrape(metrics: Metrics) -> str:
    transport = httpx2.ASGITransport(app=plain_app(Health(), metrics))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/metrics")
        assert answer.status_code == 200
        return answer.text


async def test_two_services_in_one_process_count_for_themselves() -> None:
    catalog, notifier = Metrics(), Metrics()
    Counter("viewed_dropped", "Views.", registry=catalog.registry).inc()
    Counter("mail", "Emails.", ("state",), registry=notifier.registry).labels("sent").inc()
    rows = Gauge("inbox_rows", "Events.", ("receiver", "state"), registry=catalog.registry)
    rows.labels("record_views", "pending").set(3)
    text = await scrape(catalog)
    assert "viewed_dropped_total 1.0" in text
    assert 'inbox_rows{receiver="record_views",state="pending"} 3.0' in text
    assert "mail_total{" not in text
    text = await scrape(notifier)
    assert 'mail_total{state="sent"} 1.0' in text
    assert "inbox_rows{" not in text


async def test_gauges_are_refreshed_when_they_are_read() -> None:
    metrics = Metrics()
    waiting = Gauge("waiting", "Rows.", registry=metrics.registry)
    rows = iter((5, 6))

    async def refresh() -> None:
        waiting.set(next(rows))

    metrics.add_refresh(refresh)
    assert "waiting 5.0" in await scrape(metrics)
    assert "waiting 6.0" in await scrape(metrics)


async def test_a_refresh_that_fails_leaves_the_other_metrics_readable() -> None:
    metrics = Metrics()

    async def fails() -> None:
        raise OSError("the database is away")

    waiting = Gauge("waiting", "Rows.", registry=metrics.registry)

    async def works() -> None:
        waiting.set(2)

    metrics.add_refresh(fails)
    metrics.add_refresh(works)
    assert "waiting 2.0" in await scrape(metrics)


async def test_a_scrape_shows_what_was_exported_however_often() -> None:
    metrics = Metrics()
    done, other = (Counter(name, "Events.", registry=None) for name in ("done", "other"))
    done.inc()
    other.inc()
    for _ in range(2):
        metrics.export([done])
    text = await scrape(metrics)
    assert "done_total 1.0" in text
    assert "other" not in text


async def test_a_refresh_that_takes_long_is_not_begun_twice_and_rests_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "REFRESH_TIMEOUT", 0.01)
    monkeypatch.setattr(room, "QUICK_S", 0.0)
    metrics = Metrics()
    waiting = Gauge("waiting", "Rows.", registry=metrics.registry)
    counted = asyncio.Event()
    begun = 0

    async def refresh() -> None:
        nonlocal begun
        begun += 1
        await counted.wait()
        waiting.set(7)

    metrics.add_refresh(refresh)
    for _ in range(3):
        assert "waiting 0.0" in await scrape(metrics)
    counted.set()
    assert "waiting 7.0" in await scrape(metrics)
    assert "waiting 7.0" in await scrape(metrics)
    assert begun == 1
