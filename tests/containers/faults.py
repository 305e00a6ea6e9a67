"""What a test does to the stack in the middle of traffic."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.containers.balanced import Balanced
from tests.containers.composed import Composed
from tests.containers.mailbox import mails, notes
from tests.containers.reckoning import Reckoning, reckon
from tests.containers.stranger import Stranger
from tests.containers.traffic import PAUSE_S, Traffic
from tests.programs import eventually
from tools.stack import docker

UNDER_WAY = 40
"""Changes that are made before a fault, and again after it."""
DRAIN_S = 10.0
"""Within which a program ends after SIGTERM."""


Note = Callable[[str, str], None]
"""Writes down what and how much."""


@dataclass
class Run:
    """One fault under traffic."""

    stack: Composed
    catalog: Balanced
    stranger: Stranger
    tell: Callable[[str], None]

    @contextmanager
    def traffic(self, pause: float = PAUSE_S) -> Iterator[Traffic]:
        """Keep changes coming around the block: some before it, some after all is well again."""
        with Traffic(self.catalog, uuid.uuid4().hex[:8], pause=pause) as traffic:
            self.more(traffic)
            yield traffic
            began = time.monotonic()
            self.stack.wait()
            healthy = time.monotonic() - began
            self.more(traffic)
        drained = self.stack.wait_until_drained()
        self.tell(f"healthy again after {healthy:.0f} s, drained after {drained:.0f} s")

    def more(self, traffic: Traffic, count: int = UNDER_WAY) -> None:
        """Wait until so many more changes were made."""
        goal = len(traffic.made("ok")) + count
        eventually(f"{count} more changes", lambda: len(traffic.made("ok")) >= goal, 90)

    def reckon(self, traffic: Traffic) -> Reckoning:
        """Check that nothing was lost, turned round or done twice, and write the figures down."""
        self.stranger.listen()
        heard = self.stranger.first_copies(traffic.label)
        notifier = Balanced(self.stack, "notifier")
        noted = notes(notifier)
        notifier.close()
        found = reckon(traffic, self.catalog, heard, noted, mails(self.stack.mail_url))
        self.tell(str(found))
        return found


def stop(container: str) -> float:
    """Stop a container of ours, which must end by itself; return the seconds that it took.

    They are the engine's, from the signal on: a busy machine is slow to tell of the end.
    """
    docker("kill", "--signal=TERM", container)
    asked = datetime.now(UTC)
    docker("wait", container)
    state = json.loads(docker("inspect", "--format={{json .State}}", container))
    seconds = (datetime.fromisoformat(state["FinishedAt"]) - asked).total_seconds()
    assert (state["ExitCode"], seconds < DRAIN_S) == (0, True), seconds
    return seconds


@contextmanager
def away(stack: Composed, service: str, seconds: float) -> Iterator[None]:
    """Stop a server, run the block, and start it once that many seconds have passed."""
    [container] = stack.ids(service)
    docker("stop", container)
    until = time.monotonic() + seconds
    try:
        yield
        eventually("the time is over", lambda: time.monotonic() > until, seconds + 5)
    finally:
        docker("start", container)
