"""The process that develops pictures, one after the other, within limits of time and memory."""

import json
import resource
import signal
import sys
from multiprocessing.connection import Connection

from services.catalog.errors import PictureError, PictureTooCostly
from services.catalog.images.pictures import develop

MAX_CPU_S = 1.8
"""Time of a processor for one picture. The signal that ends the process is not caught."""

MAX_MEMORY = 280 * 1000 * 1000
"""Bytes of the process that are its own; with the code it shares it stays below 300 MB."""


def serve(pipe: Connection) -> None:
    """Develop what comes, until the other side is closed."""
    _limit_memory()
    while True:
        try:
            data = pipe.recv_bytes()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, MAX_CPU_S)
        answer = _answer(data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        del data
        for part in answer:
            pipe.send_bytes(part)


def _limit_memory() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, most))


def _answer(data: bytes) -> list[bytes]:
    """What became of a picture as JSON, then the files that there are now."""
    try:
        picture = develop(data)
    except PictureError as error:
        return [json.dumps({"error": type(error).__name__, "detail": str(error)}).encode()]
    except MemoryError:
        detail = "The picture takes too much memory to be read and written anew."
        return [json.dumps({"error": PictureTooCostly.__name__, "detail": detail}).encode()]
    described = {
        "content_type": picture.content_type,
        "extension": picture.extension,
        "width": picture.width,
        "height": picture.height,
        "variants": [
            {"name": each.name, "width": each.width, "height": each.height}
            for each in picture.variants
        ],
    }
    return [
        json.dumps(described).encode(),
        picture.data,
        *(each.data for each in picture.variants),
    ]


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
