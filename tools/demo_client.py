"""A client for the demo's two APIs, on the standard library: running needs no HTTP client."""

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Answer:
    """What a call came to; `body` is the decoded JSON, None if there is none."""

    status: int
    body: Any


class Client:
    """Calls one API as the bearer of `token`."""

    def __init__(self, url: str, token: str) -> None:
        self._host = urlsplit(url).netloc
        self._token = token

    def call(self, method: str, path: str, content: object = None) -> Answer:
        """Send `content` as JSON."""
        body = None if content is None else json.dumps(content).encode()
        return self._send(method, path, body, "application/json", self._token)

    def upload(self, path: str, picture: bytes) -> Answer:
        """Send a JPEG picture as the part `file` of a form."""
        boundary = uuid4().hex
        before = (
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="file"; filename="lamp.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        )
        body = before.encode() + picture + f"\r\n--{boundary}--\r\n".encode()
        form = f"multipart/form-data; boundary={boundary}"
        return self._send("POST", path, body, form, self._token)

    def look(self, path: str, token: str | None) -> Answer:
        """Read something as somebody else, or as a stranger."""
        return self._send("GET", path, None, None, token)

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        content_type: str | None,
        token: str | None,
    ) -> Answer:
        headers = {"Content-Type": content_type, "Authorization": token and f"Bearer {token}"}
        connection = HTTPConnection(self._host, timeout=TIMEOUT_S)
        try:
            given = {name: value for name, value in headers.items() if value}
            connection.request(method, path, body, given)
            response = connection.getresponse()
            content = response.read()
            return Answer(response.status, json.loads(content) if content else None)
        finally:
            connection.close()
