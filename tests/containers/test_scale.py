"""Two containers of each part of ours."""

from collections.abc import Iterator

import pytest

from tests.containers.composed import OURS, Composed
from tests.containers.faults import Run, stop

ENOUGH = 200
SLOW_S = 1.0
"""Ten replacements take minutes."""


@pytest.fixture(scope="module", autouse=True)
def scaled(stack: Composed) -> Iterator[None]:
    stack.scale(2)
    yield
    stack.scale(1)


def test_two_of_each_share_the_load_and_keep_the_order(run: Run) -> None:
    assert [len(run.stack.ids(each)) for each in OURS] == [2] * len(OURS)
    with run.traffic() as traffic:
        run.more(traffic, ENOUGH)
    assert run.reckon(traffic).repeated_emails == 0
    for service, metric in (
        ("catalog", "http_request_duration_seconds_count"),
        ("catalog-relay", "relay_published_total"),
        ("notifier-worker", "mail_total"),
    ):
        shares = [run.stack.metrics_within(each, metric) for each in run.stack.ids(service)]
        run.tell(f"{service} shared {shares[0]:.0f} : {shares[1]:.0f}")
        assert all(shares), service


def test_both_services_are_replaced_one_container_after_the_other(run: Run) -> None:
    with run.traffic(SLOW_S) as traffic:
        for service in OURS:
            for container in run.stack.ids(service):
                stop(container)
                run.stack.replace(service, container)
    run.reckon(traffic)
