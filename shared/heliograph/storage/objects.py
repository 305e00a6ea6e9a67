"""The image stores of production, a directory and an S3 bucket, both through obstore."""

import asyncio
import itertools
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar, TypeVarTuple

from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, S3Store

from heliograph.secret_files import secret
from heliograph.storage.store import (
    KeyTaken,
    StoredImage,
    StoredKey,
    StoreUnavailable,
    checked_key,
    is_key,
)

if TYPE_CHECKING:
    # obstore has these names for type checkers only.
    from obstore import Attributes, GetResult
    from obstore.store import S3Config

CONNECT_TIMEOUT = timedelta(seconds=5)
CALL_TIMEOUT = timedelta(seconds=30)
# A slow reader may take this long over one image; between two reads the store itself must
# answer within CALL_TIMEOUT.
DOWNLOAD_TIMEOUT = timedelta(minutes=15)
MAX_RETRIES = 3
THREADS = 8
CHUNK_BYTES = 256 * 1024
"""What each client that does not read its image on may hold in memory; obstore's own is 10 MiB."""

_OBSTORE = re.compile(r"^Generic \w+ error: ")

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


class ObstoreImageStore:
    """Keeps images in a directory or in a bucket; see `ImageStore` for what it promises.

    A call takes at most 30 seconds, retries included. obstore writes a file under another
    name and renames it, and removes it when the disk is full; S3 shows an object only when
    it is complete.
    """

    def __init__(self, store: LocalStore | S3Store, place: str) -> None:
        self._store = store
        self._place = place
        # Not obstore's coroutines: their threads may still be calling back when Python ends,
        # and then abort the process.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="images")

    @classmethod
    def directory(cls, path: str) -> Self:
        """Images as files of a directory, which is created if it is missing."""
        place = f"the directory {path}"
        with _reaching(place):
            Path(path).mkdir(parents=True, exist_ok=True)
            return cls(LocalStore(path), place)

    @classmethod
    def bucket(cls, name: str) -> Self:
        """Images as objects of a bucket, found through the usual `AWS_*` variables.

        The two that are secret can be given by files, as our own: `AWS_SECRET_ACCESS_KEY_FILE`.
        Raises `InvalidSetting` if such a file cannot be read.
        """
        config: S3Config = {}
        if (key := secret("AWS_SECRET_ACCESS_KEY", os.environ)) is not None:
            config["secret_access_key"] = key
        if (token := secret("AWS_SESSION_TOKEN", os.environ)) is not None:
            config["session_token"] = token
        place = f"the bucket {name}"
        endpoint = (
            os.environ.get("AWS_ENDPOINT_URL_S3")
            or os.environ.get("AWS_ENDPOINT_URL")
            or os.environ.get("AWS_ENDPOINT", "")
        )
        with _reaching(place):
            store = S3Store(
                name,
                config=config,
                # One object a request: the bulk call hides the reason of a failed delete,
                # and not every S3 has it.
                disable_bulk_delete=True,
                client_options={
                    "allow_http": endpoint.startswith("http://"),
                    "connect_timeout": CONNECT_TIMEOUT,
                    "read_timeout": CALL_TIMEOUT,
                    "timeout": DOWNLOAD_TIMEOUT,
                },
                retry_config={"max_retries": MAX_RETRIES, "retry_timeout": CALL_TIMEOUT},
            )
            return cls(store, place)

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        await self._call(self._put, checked_key(key), data, content_type)

    async def get(self, key: str) -> StoredImage | None:
        found = await self._call(self._get, checked_key(key))
        if found is None:
            return None
        meta = found.meta
        return StoredImage(key, meta["size"], meta["last_modified"], lambda: self._chunks(found))

    async def delete(self, key: str) -> bool:
        return await self._call(self._delete, checked_key(key))

    async def keys(self) -> AsyncIterator[StoredKey]:
        pages = self._store.list()
        while (page := await self._call(next, pages, None)) is not None:
            for meta in page:
                if is_key(meta["path"]):
                    yield StoredKey(meta["path"], meta["size"], meta["last_modified"])

    async def check(self) -> None:
        await self._call(self._check)

    async def _call(self, work: Callable[[*Arguments], T], *args: *Arguments) -> T:
        loop = asyncio.get_running_loop()
        with _reaching(self._place):
            async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
                return await loop.run_in_executor(self._threads, work, *args)

    def _put(self, key: str, data: bytes, content_type: str) -> None:
        # A directory cannot hold attributes; its content types follow from the keys alone.
        attributes: Attributes | None = (
            {"Content-Type": content_type} if isinstance(self._store, S3Store) else None
        )
        try:
            self._store.put(key, data, attributes=attributes, mode="create")
        except AlreadyExistsError as error:
            # S3 may have kept what it answered with an error, and obstore asked again.
            if bytes(self._store.get(key).bytes()) != data:
                raise KeyTaken(key) from error

    def _get(self, key: str) -> "GetResult | None":
        try:
            return self._store.get(key)
        except FileNotFoundError:
            self._check()
            return None

    def _delete(self, key: str) -> bool:
        self._remove_unfinished(key)
        try:
            # S3 answers a delete the same whether or not there was an object.
            self._store.head(key)
            self._store.delete(key)
        except FileNotFoundError:
            self._check()
            return False
        return True

    def _remove_unfinished(self, key: str) -> None:
        """Remove what a process left that died in a put.

        obstore writes a file as `<key>#1`, or the next number that is free, and renames it.
        """
        if isinstance(self._store, LocalStore):
            with suppress(FileNotFoundError):
                for number in itertools.count(1):
                    Path(self._store.prefix or "", f"{key}#{number}").unlink()

    def _check(self) -> None:
        """Tell a missing directory or bucket from a missing file: to obstore they are alike."""
        if isinstance(self._store, LocalStore):
            if not os.access(self._store.prefix or "", os.R_OK | os.W_OK | os.X_OK):
                raise StoreUnavailable(f"Cannot reach {self._place}: missing or not writable.")
        else:
            next(self._store.list(chunk_size=1), None)

    async def _chunks(self, found: "GetResult") -> AsyncIterator[bytes]:
        stream = iter(found.stream(min_chunk_size=CHUNK_BYTES))
        while (chunk := await self._call(next, stream, None)) is not None:
            yield bytes(chunk)


@contextmanager
def _reaching(place: str) -> Iterator[None]:
    """Tell every failure of the store as `StoreUnavailable`, with the first line of why."""
    try:
        yield
    except TimeoutError as error:
        raise StoreUnavailable(f"Cannot reach {place}: no answer in time.") from error
    except (BaseError, OSError, ValueError) as error:
        # Before its first words obstore names itself, and below its first line it says all again.
        reason = _OBSTORE.sub("", str(error).partition("\n")[0])
        raise StoreUnavailable(f"Failed in {place}: {reason}") from error
