"""Every part of the stack is restarted in the middle of traffic, or is away for a while."""

import httpx2
import pytest

from tests.containers.composed import OURS
from tests.containers.faults import Run, away, stop
from tests.programs import eventually
from tools.stack import docker

AWAY_S = 20.0


@pytest.mark.parametrize("service", OURS)
def test_a_restart_of_ours_loses_and_repeats_nothing(run: Run, service: str) -> None:
    [container] = run.stack.ids(service)
    with run.traffic() as traffic:
        run.tell(f"stopped within {stop(container):.1f} s")
        docker("start", container)
    assert run.reckon(traffic).repeated_emails == 0


@pytest.mark.parametrize("server", ["rabbitmq", "postgres"])
def test_a_restart_of_a_server_loses_nothing(run: Run, server: str) -> None:
    [container] = run.stack.ids(server)
    with run.traffic() as traffic:
        docker("restart", container)
    run.reckon(traffic)


def test_changes_are_made_while_rabbitmq_is_away(run: Run) -> None:
    with run.traffic() as traffic:
        with away(run.stack, "rabbitmq", AWAY_S):
            run.more(traffic)
            [url] = run.catalog.urls
            eventually("the API says that it is degraded", lambda: readiness(url) == "degraded")
        assert traffic.made("ok") == traffic.ledger[: len(traffic.made("ok"))]
    assert run.reckon(traffic).repeated_emails == 0


def test_an_api_without_its_database_says_so_and_comes_back(run: Run) -> None:
    [url] = run.catalog.urls
    with run.traffic() as traffic, away(run.stack, "postgres", AWAY_S):
        eventually("the API is unavailable", lambda: readiness(url) == "unavailable")
        answer = httpx2.get(f"{url}/v1/products", timeout=30)
        assert answer.status_code == 503
    run.reckon(traffic)


def readiness(url: str) -> str:
    status: str = httpx2.get(f"{url}/health/ready", timeout=10).json()["status"]
    return status
