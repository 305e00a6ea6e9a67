import io
from collections.abc import Awaitable, Callable, Iterator

import pytest

from services.catalog.images.darkroom import Darkroom
from services.catalog.images.developed import DevelopedPicture

Develop = Callable[[bytes], Awaitable[DevelopedPicture]]


@pytest.fixture(scope="module")
def darkroom() -> Iterator[Darkroom]:
    darkroom = Darkroom()
    yield darkroom
    darkroom.close()


@pytest.fixture
def develop(darkroom: Darkroom) -> Develop:
    return lambda data: darkroom.develop(io.BytesIO(data))
