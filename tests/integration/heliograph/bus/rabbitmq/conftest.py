import logging
from collections.abc import Callable

import pytest

from tests.buses import EMAILS


@pytest.fixture
def consuming_again(caplog: pytest.LogCaptureFixture) -> Callable[[], bool]:
    """Whether a consumer of `EMAILS` is back after a loss.

    By what it logged: a tenth of a second without a consumer passes unseen by who looks late.
    """
    caplog.set_level(logging.INFO, "heliograph.bus.rabbitmq")
    return lambda: f"consuming {EMAILS.name} again" in caplog.text
