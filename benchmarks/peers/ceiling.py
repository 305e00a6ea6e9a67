"""The C client that shows what the broker itself can take."""

import asyncio
import struct
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from benchmarks.measure import Reading
from heliograph.bus import Message
from heliograph.bus.rabbitmq.wire.frames import publish_frames

SOURCE = Path(__file__).with_suffix(".c")
MAX_BODY = 131_072 - 8


async def build(compiler: str, folder: Path) -> Path:
    """Compile the client into the folder; raise `OSError` if that fails."""
    program = folder / "ceiling"
    process = await asyncio.create_subprocess_exec(
        *(compiler, "-O2", "-o", str(program), str(SOURCE))
    )
    if await process.wait():
        raise OSError(f"{compiler} cannot compile {SOURCE.name}")
    return program


def write_frames(messages: Sequence[Message], user: str, path: Path) -> None:
    """Write a user's messages as the client reads them: encoding is not what it measures."""
    with path.open("wb") as file:
        for message in messages:
            frames = b"".join(publish_frames(message, 1, MAX_BODY, user))
            file.write(struct.pack(">L", len(frames)) + frames)


async def publish(program: Path, url: str, window: int, frames: Path) -> Reading:
    """Publish the prepared messages, `window` of them unconfirmed at most."""
    parts = urlsplit(url)
    process = await asyncio.create_subprocess_exec(
        str(program),
        *(parts.hostname or "", str(parts.port or 5672), unquote(parts.path[1:])),
        *(parts.username or "guest", parts.password or "guest", str(window), str(frames)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise OSError(f"{program.name} ended with {process.returncode}")
    count, seconds, cpu = output.split()
    return Reading(int(count), float(seconds), float(cpu))
