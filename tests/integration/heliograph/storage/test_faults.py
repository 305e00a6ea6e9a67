"""A bucket that fails: what passes by itself is waited for, all else is told, and in time."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from chaos.faults.proxy import proxy
from heliograph.storage import ImageStore, StoreUnavailable, image_store, new_key
from tests.servers.s3 import S3
from tests.servers.s3_gateway import Failure, Gateway, gateway

ONCE = [
    *(Failure(status, done=done) for status in (500, 503) for done in (False, True)),
    *(Failure(None, done=done) for done in (False, True)),
]
DATA = bytes(10_000)


@pytest.fixture
def bucket(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket on the server that the `AWS_*` variables name meanwhile."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server.new_bucket()


@pytest.fixture
async def failing(
    bucket: str, s3_server: S3, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    """A gateway on the way to the bucket."""
    async with gateway(s3_server.endpoint) as (made, endpoint):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield made


@pytest.fixture
async def store(failing: Gateway, bucket: str) -> ImageStore:
    return image_store(f"s3://{bucket}")


async def stored(store: ImageStore) -> str:
    key = new_key("jpg")
    await store.put(key, DATA, "image/jpeg")
    return key


async def keys(store: ImageStore) -> list[str]:
    every = store.keys()
    return [found.key async for found in every]


def failure_name(failure: Failure) -> str:
    return f"{failure.status or 'reset'}{' though done' if failure.done else ''}"


@pytest.mark.parametrize("failure", ONCE, ids=failure_name)
async def test_one_failure_is_not_noticed_by_who_reads_or_deletes(
    store: ImageStore, failing: Gateway, failure: Failure
) -> None:
    key = await stored(store)

    failing.failures.append(failure)
    await store.check()
    failing.failures.append(failure)
    image = await store.get(key)
    assert image is not None
    assert await image.read() == DATA
    failing.failures.append(failure)
    assert await keys(store) == [key]
    failing.failures.append(failure)
    assert await store.delete(key)

    assert not failing.failures
    assert await store.get(key) is None


@pytest.mark.parametrize("failure", [each for each in ONCE if each.status], ids=failure_name)
async def test_a_file_is_stored_although_the_bucket_answered_with_an_error(
    store: ImageStore, failing: Gateway, failure: Failure
) -> None:
    failing.failures.append(failure)

    key = await stored(store)

    image = await store.get(key)
    assert image is not None
    assert await image.read() == DATA


@pytest.mark.parametrize("done", [False, True])
async def test_a_reset_leaves_open_whether_a_file_was_stored(
    store: ImageStore, failing: Gateway, *, done: bool
) -> None:
    failing.failures.append(Failure(None, done=done))

    with pytest.raises(StoreUnavailable):
        await stored(store)

    assert len(await keys(store)) == int(done)


@pytest.mark.parametrize("status", [500, 503, None])
async def test_a_bucket_that_keeps_failing_is_given_up_in_time(
    store: ImageStore, failing: Gateway, status: int | None
) -> None:
    key = await stored(store)
    attempts: list[Callable[[], Any]] = [
        lambda: store.put(new_key("jpg"), DATA, "image/jpeg"),
        lambda: store.get(key),
        lambda: store.delete(key),
        store.check,
    ]
    for attempt in attempts:
        failing.failures.extend([Failure(status)] * 20)
        started = time.monotonic()
        with pytest.raises(StoreUnavailable) as caught:
            await attempt()
        assert time.monotonic() - started < 30
        assert "\n" not in str(caught.value)
        failing.failures.clear()
    assert await store.delete(key)


async def test_a_bucket_that_goes_away_while_a_file_is_read_is_told(
    bucket: str, s3_server: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxy(urlsplit(s3_server.endpoint).port or 0) as link:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{link.port}")
        store, key = image_store(f"s3://{bucket}"), new_key("jpg")
        await store.put(key, bytes(20_000_000), "image/jpeg")
        image = await store.get(key)
        assert image is not None
        chunks = image.chunks()
        await anext(chunks)
        link.refuse()
        link.reset()

        with pytest.raises(StoreUnavailable):
            async for _ in chunks:
                pass
