"""A process that stands still (SIGSTOP) loses its work to another and does no harm later."""

import pytest

from heliograph import DatabaseUnavailable
from heliograph.database import engines
from heliograph.outbox import Progress, Relay
from heliograph.outbox.claims import Outcome
from tests.integration.heliograph.conftest import open_house
from tests.integration.heliograph.outbox.test_relay import Broker
from tests.polling import until
from tests.samples import event, product


async def test_a_stopped_relay_loses_its_claim_to_another(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within 15 s; here within three."""
    monkeypatch.setattr(engines, "IDLE_IN_TRANSACTION_MS", 3_000)
    async with open_house(postgres_url) as stopped, open_house(postgres_url) as other:
        lamp = product()
        await stopped.announce(*[event(lamp, version=version) for version in range(1, 4)])
        broker = Broker()
        relay = Relay(other.claims(), broker, other.outbox.bell)
        woke = False

        async def taken_over() -> bool:
            await relay.relay_once()
            return len(broker.sent) == 3

        async def stand_still() -> None:
            nonlocal woke
            async with stopped.claims().claim(100) as claim:
                assert len(claim.rows) == 3
                assert await relay.relay_once() is Progress.DONE
                await until(taken_over)
                woke = True
                # It wakes, and has published what it had claimed: repeats, known by their ids.
                await claim.settle(Outcome(gone=[*claim.rows]))

        with pytest.raises(DatabaseUnavailable):
            await stand_still()
        assert woke
        assert len(broker.sent) == 3
        assert (await other.outbox.status())[0] == 0


async def test_sessions_of_postgresql_end_their_idle_transactions_after_15_seconds() -> None:
    assert engines.IDLE_IN_TRANSACTION_MS == 15_000
