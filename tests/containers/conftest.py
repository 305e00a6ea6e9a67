"""One stack for the whole run, and a table of figures at its end."""

import os
from collections.abc import Iterator

import pytest

from tests.containers.balanced import Balanced
from tests.containers.composed import Composed, composed
from tests.containers.faults import Note, Run
from tests.containers.mailbox import SUBSCRIBED
from tests.containers.stranger import Stranger
from tools.stack import StackError, compose_command

FIGURES = pytest.StashKey[list[tuple[str, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


@pytest.fixture(scope="session")
def note(pytestconfig: pytest.Config) -> Note:
    return lambda what, figure: pytestconfig.stash[FIGURES].append((what, figure))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, note: Note) -> Iterator[Composed]:
    try:
        compose_command()
    except StackError as problem:
        if os.environ.get("CI"):
            pytest.fail(str(problem), pytrace=False)
        pytest.skip(f"The containers were not tested. {problem}")
    with composed(tmp_path_factory.mktemp("stack")) as running:
        note("from nothing to healthy", f"{running.seconds_to_healthy:.0f} s")
        yield running


@pytest.fixture(scope="session")
def stranger(stack: Composed) -> Stranger:
    return Stranger(stack.amqp_url)


@pytest.fixture(scope="session")
def subscribed(stack: Composed) -> None:
    """Somebody who is told of every new product and every price drop."""
    notifier = Balanced(stack, "notifier")
    for topic in ("new_product", "price_drop"):
        wish = {"email": SUBSCRIBED, "topic": topic}
        notifier.call("POST", "/v1/subscriptions", json=wish).raise_for_status()
    notifier.close()


@pytest.fixture
def run(
    stack: Composed,
    stranger: Stranger,
    subscribed: None,
    note: Note,
    request: pytest.FixtureRequest,
) -> Iterator[Run]:
    """Traffic around a fault, and the reckoning after it."""
    stack.wait()
    catalog = Balanced(stack, "catalog")
    yield Run(stack, catalog, stranger, lambda figure: note(request.node.name, figure))
    catalog.close()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for what, figure in config.stash[FIGURES]:
        terminalreporter.write_line(f"{what}: {figure}")
