"""The events, and the tools that read them."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from heliograph.testing import Announcement
from tests.consumers.generated import toolchains
from tests.consumers.generated.story import play

T = TypeVar("T")


def _required(find: Callable[[], T]) -> T:
    try:
        return find()
    except toolchains.Missing as problem:
        if os.environ.get("CI"):
            pytest.fail(str(problem), pytrace=False)
        pytest.skip(f"NOT TESTED. {problem}")


@pytest.fixture(scope="session")
def announcements(tmp_path_factory: pytest.TempPathFactory) -> list[Announcement]:
    """Every event of the story."""
    return asyncio.run(play(tmp_path_factory.mktemp("catalog")))


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of the locked npm packages."""
    return _required(toolchains.node_modules)


@pytest.fixture(scope="session")
def jackson() -> str:
    """The class path of Jackson."""
    return _required(toolchains.jackson)
