"""The darkroom: uploads are developed in processes of their own, which may be killed.

A thread that decodes cannot be stopped, and what it costs is up to whoever made the file.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Pipe
from types import MappingProxyType
from typing import Any, BinaryIO

import structlog

from services.catalog.errors import (
    PictureError,
    PictureInvalid,
    PictureTooCostly,
    PictureTooLarge,
    PictureTypeUnsupported,
)
from services.catalog.images.developed import DevelopedPicture, PictureVariant

log = structlog.stdlib.get_logger(__name__)

MAX_BYTES = 10 * 1024 * 1024

_ERRORS: Mapping[str, type[PictureError]] = MappingProxyType(
    {
        each.__name__: each
        for each in (PictureInvalid, PictureTooCostly, PictureTooLarge, PictureTypeUnsupported)
    }
)


class Darkroom:
    """Develops uploads in processes of its own, at most `limit` at once.

    None takes more time of a processor or more memory than `sandbox` grants. A thread waits for
    each process. The threads are the limit: a caller that is cancelled does not let another
    picture in before its own has left.
    """

    def __init__(self, limit: int = 2) -> None:
        self._threads = ThreadPoolExecutor(limit, thread_name_prefix="darkroom")
        self._idle: list[_Sandbox] = []
        self._closed = False

    async def develop(self, upload: BinaryIO) -> DevelopedPicture:
        """Check and re-encode an upload, read from its start.

        Raises `PictureError` for every upload that is not acceptable.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._develop, upload)

    def close(self) -> None:
        """Let the threads end after the pictures they hold; those still waiting are dropped."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._end_idle()

    def _develop(self, upload: BinaryIO) -> DevelopedPicture:
        data = _read(upload)
        sandbox = self._sandbox()
        try:
            return sandbox.develop(data)
        finally:
            self._idle.append(sandbox)
            if self._closed:
                self._end_idle()

    def _sandbox(self) -> "_Sandbox":
        """One that waits, or a new one; those that have died meanwhile are left."""
        while sandbox := self._pop_idle():
            if sandbox.lives():
                return sandbox
        return _Sandbox()

    def _end_idle(self) -> None:
        while sandbox := self._pop_idle():
            sandbox.end()

    def _pop_idle(self) -> "_Sandbox | None":
        # Another thread may be faster than a look at whether there is one.
        with suppress(IndexError):
            return self._idle.pop()
        return None


class _Sandbox:
    """The process that `sandbox` runs in, from outside; it ends with our side of the pipe."""

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, "-m", "services.catalog.images.sandbox", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # Not in our group, or Ctrl-C would interrupt a picture that we still wait for.
                process_group=0,
                env=os.environ
                | {
                    "PYTHONPATH": os.pathsep.join(sys.path),
                    # What holds a picture goes back to the system with it.
                    "MALLOC_MMAP_THRESHOLD_": str(1024 * 1024),
                },
            )
        finally:
            theirs.close()

    def lives(self) -> bool:
        """Whether it can be given a picture; if not, nothing of it is left."""
        if self._process.poll() is None:
            return True
        self.end()
        return False

    def end(self) -> None:
        self._pipe.close()
        self._process.kill()
        self._process.wait()

    def develop(self, data: bytes) -> DevelopedPicture:
        try:
            self._pipe.send_bytes(data)
            answer: dict[str, Any] = json.loads(self._pipe.recv_bytes())
            if "error" in answer:
                raise _ERRORS[answer["error"]](answer["detail"])
            variants = answer.pop("variants")
            return DevelopedPicture(
                **answer,
                data=self._pipe.recv_bytes(),
                variants=tuple(
                    PictureVariant(**each, data=self._pipe.recv_bytes()) for each in variants
                ),
            )
        except (EOFError, OSError) as error:
            raise self._death() from error

    def _death(self) -> PictureError:
        status = self._process.wait()
        if status == -signal.SIGPROF:
            return PictureTooCostly("The picture takes too much time to be read and written anew.")
        log.error("a picture ended the process that developed it", status=status)
        return PictureInvalid("The picture cannot be read: whatever tries to, ends.")


def _read(upload: BinaryIO) -> bytes:
    upload.seek(0)
    data = upload.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise PictureTooLarge(f"A picture may have at most {MAX_BYTES // 1024**2} MiB.")
    if not data:
        raise PictureInvalid("The file is empty.")
    return data
