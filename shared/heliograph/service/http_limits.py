"""What a client may take of an HTTP server before its request is with the application."""

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of each connection, and of their number; times are in seconds.

    What a body may have, and how slow it may be, is `heliograph.http.body`'s.
    """

    connections: int = 400
    """At once. Two servers in one process stay below 1,024 files, which most systems allow."""

    url_bytes: int = 8 * KIB
    header_bytes: int = 32 * KIB
    """Names and values of a request's headers together."""
    headers: int = 100
    head_bytes: int = 64 * KIB
    """All before the body, of what comes after its first piece."""

    pipelined: int = 8
    """Requests that may wait on a connection for the answer before theirs."""

    framing_bytes: int = 64 * KIB
    """What is not content in a chunked body, besides a quarter of the content: sizes of chunks,
    their extensions, trailers."""

    header_s: float = 10
    """From a connection, or the first byte of a later request, to the end of the headers."""
    idle_s: float = 65
    """Between two requests; more than the 60 of most load balancers, so that these close first:
    who sends a request into a connection that is being closed gets no answer."""
    write_s: float = 60
    """For which a client may take nothing of its answer."""

    linger_s: float = 60
    linger_head_bytes: int = 2 * KIB * KIB
    """As `linger_bytes`, of a request that is refused before its body."""
    linger_bytes: int = 64 * KIB * KIB
    """What a client may still send after an answer that did not wait for its whole request.

    It is read and dropped: a connection that is closed with something unread is reset, and many
    clients write all of a body before they look for an answer.
    """
