"""Exits with 0 if a URL answers with 200 within 4 seconds: the images' health check."""

import http.client
import sys
from urllib.parse import urlsplit

SECONDS = 4


def status(url: str) -> int:
    """The status of a GET, asked without the proxies that an environment may name."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=SECONDS)
    connection.request("GET", parts.path)
    return connection.getresponse().status


if __name__ == "__main__":
    try:
        answered = status(sys.argv[1])
    except OSError as error:
        sys.exit(f"no answer: {error}")
    sys.exit(0 if answered == http.client.OK else f"answered {answered}")
