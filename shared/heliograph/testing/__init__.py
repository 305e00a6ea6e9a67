"""What a service tests itself with: events as others announce them, and services at work.

Plain functions, for any test runner with an event loop, and doubles of what a service talks to:
`heliograph.bus.MemoryBus`, `heliograph.storage.MemoryImageStore`, and here a mail server. The
extra `testing` brings what they need, and pytest, for which `heliograph.testing.fixtures` is a
plugin.
"""

from heliograph.extras import extra

with extra("service"):
    from heliograph.testing.announcing import Announcement, announce, announced
    from heliograph.testing.working import NotDrained, advance, at_work, drained, unfinished
with extra("testing"):
    from heliograph.testing.mail_server import Command, Failure, Received, SMTPServer, smtp

__all__ = [
    "Announcement",
    "Command",
    "Failure",
    "NotDrained",
    "Received",
    "SMTPServer",
    "advance",
    "announce",
    "announced",
    "at_work",
    "drained",
    "smtp",
    "unfinished",
]
