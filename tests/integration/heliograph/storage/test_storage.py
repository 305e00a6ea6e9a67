import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from heliograph import InvalidSetting
from heliograph.storage import (
    ImageStore,
    InvalidKey,
    InvalidStoreURL,
    KeyTaken,
    MemoryImageStore,
    StorageError,
    StoreUnavailable,
    image_store,
    is_key,
    new_key,
    objects,
)
from tests.servers.s3 import S3

ROOT = Path(__file__).parents[4]

# A disk of 64 KiB: beyond it the kernel refuses to write on, as a full one does.
WRITE_TO_A_FULL_DISK = """
import asyncio, resource, signal, sys
from heliograph.storage.store import StoreUnavailable, new_key
from heliograph.storage import objects
from heliograph.storage.connect import image_store

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))

async def main():
    store = image_store(sys.argv[1])
    try:
        await store.put(new_key("jpg"), bytes(1_000_000), "image/jpeg")
    except StoreUnavailable as error:
        print(error)

asyncio.run(main())
"""


@pytest.fixture
def bucket(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket on the server that the `AWS_*` variables name meanwhile."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    # That plain HTTP is meant follows from the endpoint.
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    return s3_server.new_bucket()


@pytest.fixture(params=["memory", "file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ImageStore:
    if request.param == "memory":
        return MemoryImageStore()
    if request.param == "file":
        return image_store((tmp_path / "images").as_uri())
    return image_store(f"s3://{request.getfixturevalue('bucket')}")


async def listed(store: ImageStore) -> dict[str, int]:
    keys = store.keys()
    return {found.key: found.size async for found in keys}


async def test_a_stored_image_is_read_back(store: ImageStore) -> None:
    key, data = new_key("png"), bytes(range(256)) * 1000

    await store.put(key, data, "image/png")

    image = await store.get(key)
    assert image is not None
    assert (image.key, image.size, image.content_type) == (key, len(data), "image/png")
    assert abs(datetime.now(UTC) - image.last_modified) < timedelta(minutes=1)
    assert await image.read() == data


async def test_an_image_is_streamed_in_chunks_of_bytes(store: ImageStore) -> None:
    key = new_key("webp")
    await store.put(key, bytes(3_000_000), "image/webp")

    image = await store.get(key)

    assert image is not None
    sizes = [len(chunk) async for chunk in image.chunks() if type(chunk) is bytes]
    assert sum(sizes) == 3_000_000


async def test_a_chunk_is_small_for_a_client_may_never_read_on(tmp_path: Path) -> None:
    store = image_store((tmp_path / "images").as_uri())
    key = new_key("png")
    await store.put(key, bytes(3_000_000), "image/png")
    image = await store.get(key)
    assert image is not None
    assert max([len(chunk) async for chunk in image.chunks()]) <= 512 * 1024


async def test_an_unknown_key_finds_nothing(store: ImageStore) -> None:
    assert await store.get(new_key("jpg")) is None


async def test_a_deleted_image_is_gone_and_its_neighbours_stay(store: ImageStore) -> None:
    key, other = new_key("jpg"), new_key("jpg")
    await store.put(key, b"one", "image/jpeg")
    await store.put(other, b"other", "image/jpeg")

    assert await store.delete(key) is True

    assert await store.get(key) is None
    assert await listed(store) == {other: 5}


async def test_deleting_what_is_already_gone_is_a_success(store: ImageStore) -> None:
    key = new_key("jpg")
    await store.put(key, b"one", "image/jpeg")
    await store.delete(key)

    assert await store.delete(key) is False
    assert await store.delete(new_key("jpg")) is False


async def test_a_taken_key_is_refused_and_keeps_its_bytes(store: ImageStore) -> None:
    key = new_key("jpg")
    await store.put(key, b"first", "image/jpeg")

    with pytest.raises(KeyTaken, match=key):
        await store.put(key, b"second", "image/jpeg")

    image = await store.get(key)
    assert image is not None
    assert await image.read() == b"first"


async def test_storing_the_same_bytes_again_changes_nothing(store: ImageStore) -> None:
    key = new_key("jpg")
    await store.put(key, b"same", "image/jpeg")

    await store.put(key, b"same", "image/jpeg")

    assert await listed(store) == {key: 4}


async def test_all_keys_are_listed_across_pages(store: ImageStore) -> None:
    expected = {new_key("jpg"): size for size in range(1, 121)}
    for key, size in expected.items():
        await store.put(key, bytes(size), "image/jpeg")

    assert await listed(store) == expected


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        ".",
        "../secret.jpg",
        "..%2fsecret.jpg",
        "/etc/passwd",
        "0123456789abcdef",
        "0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef.gif",
        "0123456789abcdef0123456789abcdef.jpg\n",
        "0123456789abcdef0123456789abcdef.jpg\0",
        "0123456789ABCDEF0123456789ABCDEF.jpg",
        "a/0123456789abcdef0123456789abcdef.jpg",
        "0123456789abcdef0123456789abcdef.jpg/",
    ],
)
async def test_a_key_that_is_not_ours_never_reaches_the_store(store: ImageStore, key: str) -> None:
    assert not is_key(key)
    for attempt in (store.put(key, b"x", "image/jpeg"), store.get(key), store.delete(key)):
        with pytest.raises(InvalidKey):
            await attempt
    assert await listed(store) == {}


async def test_a_store_that_answers_passes_its_check(store: ImageStore) -> None:
    await store.check()


@pytest.mark.parametrize("extension", ["jpg", "png", "webp"])
def test_a_new_key_is_ours_and_never_the_same(extension: str) -> None:
    key = new_key(extension)

    assert is_key(key)
    assert key.endswith(f".{extension}")
    assert key != new_key(extension)


def test_a_key_has_no_other_extension() -> None:
    with pytest.raises(ValueError, match="svg"):
        new_key("svg")


async def test_files_of_others_are_neither_listed_nor_touched(tmp_path: Path) -> None:
    store = image_store(tmp_path.as_uri())
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / new_key("jpg")).write_bytes(b"elsewhere")

    assert await listed(store) == {}


async def test_a_bucket_keeps_the_content_type(bucket: str) -> None:
    key = new_key("webp")
    await image_store(f"s3://{bucket}").put(key, b"x", "image/webp")

    found = boto3.client("s3").head_object(Bucket=bucket, Key=key)
    assert found["ContentType"] == "image/webp"


def test_a_missing_directory_is_made_and_may_have_any_name(tmp_path: Path) -> None:
    directory = tmp_path / "var" / "images of möbel #1"
    image_store(directory.as_uri())

    assert directory.is_dir()


async def test_what_a_death_in_a_put_left_goes_with_the_file(tmp_path: Path) -> None:
    store, key = image_store(tmp_path.as_uri()), new_key("jpg")
    for number in (1, 2):
        (tmp_path / f"{key}#{number}").write_bytes(b"the beginning of a pic")

    assert not await store.delete(key)
    assert names(tmp_path) == []


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITE_TO_A_FULL_DISK, tmp_path.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )

    assert "Failed in the directory" in done.stdout
    assert list(tmp_path.iterdir()) == []


async def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnavailable, match="the directory"):
        image_store((tmp_path / "file" / "images").as_uri())


async def unavailable(store: ImageStore) -> None:
    attempts: list[Callable[[], Any]] = [
        lambda: store.put(new_key("jpg"), b"x", "image/jpeg"),
        lambda: store.get(new_key("jpg")),
        lambda: store.delete(new_key("jpg")),
        store.check,
    ]
    for attempt in attempts:
        with pytest.raises(StoreUnavailable) as caught:
            await attempt()
        assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("bucket")
async def test_a_missing_bucket_is_not_taken_for_a_missing_image() -> None:
    await unavailable(image_store("s3://nowhere"))

    with pytest.raises(StoreUnavailable, match="the bucket nowhere"):
        await listed(image_store("s3://nowhere"))


async def test_a_lost_directory_is_not_taken_for_a_missing_image(tmp_path: Path) -> None:
    store = image_store((tmp_path / "images").as_uri())
    (tmp_path / "images").rmdir()

    with pytest.raises(StoreUnavailable):
        await store.delete(new_key("jpg"))
    with pytest.raises(StoreUnavailable):
        await store.check()


async def test_the_secret_of_a_bucket_may_stand_in_a_file(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text(os.environ["AWS_SECRET_ACCESS_KEY"] + "\n")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY_FILE", str(tmp_path / "secret"))
    with pytest.raises(InvalidSetting, match="AWS_SECRET_ACCESS_KEY_FILE: set one of the two"):
        image_store(f"s3://{bucket}")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    await image_store(f"s3://{bucket}").check()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY_FILE", str(tmp_path / "gone"))
    with pytest.raises(InvalidSetting, match="AWS_SECRET_ACCESS_KEY_FILE: cannot be read"):
        image_store(f"s3://{bucket}")


async def test_a_server_that_is_away_is_told_in_time(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    started = time.monotonic()

    await unavailable(image_store(f"s3://{bucket}"))

    assert time.monotonic() - started < 30


async def test_a_server_that_never_answers_is_given_up(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "CALL_TIMEOUT", timedelta(milliseconds=200))
    callers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: callers.append(writer), "127.0.0.1")
    async with server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        started = time.monotonic()

        with pytest.raises(StoreUnavailable, match="no answer in time"):
            await image_store(f"s3://{bucket}").put(new_key("jpg"), b"x", "image/jpeg")

        assert time.monotonic() - started < 5
        assert callers
        for writer in callers:
            writer.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "images",
        "/var/images",
        "file://var/images",
        "file:var/images",
        "file:///",
        "file:///var/%00",
        "s3://",
        "s3://bucket/prefix",
        "s3://Bucket",
        "s3://key:secret@bucket",
        "s3://bucket?region=x",
        "gs://bucket",
        "memory://",
        "http://[",
    ],
)
def test_a_url_that_names_no_store_is_refused_without_telling_secrets(url: str) -> None:
    with pytest.raises(InvalidStoreURL) as caught:
        image_store(url)
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value, StorageError)
