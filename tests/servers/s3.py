"""Amazon S3, played by moto in this process."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
from moto.server import ThreadedMotoServer


@dataclass(frozen=True)
class S3:
    """A server of buckets; it checks no keys."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """The usual variables that lead a client to it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "heliograph",
            "AWS_SECRET_ACCESS_KEY": "heliograph",
            "AWS_ALLOW_HTTP": "true",
        }

    def new_bucket(self) -> str:
        """Create an empty bucket and return its name."""
        name = f"heliograph-{uuid.uuid4().hex}"
        httpx2.put(f"{self.endpoint}/{name}").raise_for_status()
        return name


@contextmanager
def s3() -> Iterator[S3]:
    """Run a new server."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield S3(f"http://{host}:{port}")
    finally:
        server.stop()
