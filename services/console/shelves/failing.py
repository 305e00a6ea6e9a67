"""What failed and runs again by itself: it is parked if it goes on like that."""

from heliograph.web import FailingEvents
from services.console.peers import Peer

MOST = 20
"""Events of a service that fail now, and are listed."""


async def failing_of(peer: Peer) -> FailingEvents:
    """What fails at the service now; raise `PeerError`."""
    return await peer.get_as(FailingEvents, "/v1/inbox/failing", limit=MOST)
