import asyncio

import httpx2
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from heliograph import BusUnavailable
from heliograph.http import Health, Metrics, Readiness, plain_app
from heliograph.http import health as module
from heliograph.web.health import health_router


async def works() -> None:
    return None


async def fails() -> None:
    raise BusUnavailable("amqp://shop:hush@mq/ does not answer")


async def crashes() -> None:
    raise OSError("secret")


async def hangs() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        # As calls to a broker that is blocked do.
        await asyncio.sleep(60)


async def get(health: Health, path: str) -> httpx2.Response:
    """Ask a program with an API and one without, which must answer alike."""
    api = FastAPI()
    api.include_router(health_router(health))
    answers = []
    for app in (api, plain_app(health, Metrics())):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            answers.append(await client.get(path))
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].json() == answers[1].json()
    return answers[1]


async def test_a_path_with_a_slash_behind_it_is_another() -> None:
    app = plain_app(Health(), Metrics())
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/health/live/")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
async def test_probes_and_scrapes_are_logged_by_their_route_for_who_debugs(path: str) -> None:
    transport = httpx2.ASGITransport(app=plain_app(Health(), Metrics()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        with capture_logs() as logged:
            await client.get(path)
    [line] = [each for each in logged if each["event"] == "request"]
    assert (line["route"], line["log_level"]) == (path, "debug")


async def test_a_process_that_can_do_its_job_is_ready() -> None:
    health = Health()
    health.add("database", works)
    answer = await get(health, "/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "checks": {"database": {"status": "ok"}}}


async def test_a_process_without_something_it_would_like_is_degraded() -> None:
    health = Health()
    health.add("database", works)
    health.add("bus", fails, required=False)
    answer = await get(health, "/health/ready")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["checks"] == {"database": {"status": "ok"}, "bus": {"status": "away"}}


async def test_a_process_without_something_it_needs_is_unavailable_yet_alive() -> None:
    health = Health()
    health.add("database", crashes)
    health.add("bus", fails, required=False)
    answer = await get(health, "/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "unavailable",
        "checks": {"database": {"status": "failed"}, "bus": {"status": "away"}},
    }
    assert (await get(health, "/health/live")).json() == {"status": "ok"}


async def test_a_check_that_hangs_does_not_hold_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_TIMEOUT", 0.01)
    health = Health()
    health.add("bus", hangs)
    async with asyncio.timeout(5):
        readiness = await health.readiness()
    assert readiness.checks["bus"].status == "away"
    assert readiness.checks["bus"].detail == "no answer within 0.01 s"


async def test_what_failed_is_told_in_the_log_once_until_it_changes() -> None:
    works_again = False

    async def changes() -> None:
        if not works_again:
            await fails()

    health = Health()
    health.add("database", works)
    health.add("bus", changes, required=False)
    with capture_logs() as logged:
        for _ in range(3):
            await health.readiness()
        works_again = True
        for _ in range(3):
            await health.readiness()
    assert [(line["log_level"], line["status"], line["why"]) for line in logged] == [
        ("warning", "degraded", {"bus": "amqp://shop:***@mq/ does not answer"}),
        ("info", "ok", {}),
    ]


def test_the_documents_promise_states_and_no_words() -> None:
    described = Readiness.model_json_schema(mode="serialization")["$defs"]["CheckResult"]
    assert set(described["properties"]) == {"status"}
