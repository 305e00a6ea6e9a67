"""What a service tests itself with: events as others announce them, and a service at work.

Plain functions, for any test runner with an event loop; the extra `testing` brings pytest's.
"""

from heliograph.extras import extra

with extra("service"):
    from heliograph.testing.announcing import announce
    from heliograph.testing.working import NotDrained, at_work, drained

__all__ = [
    "NotDrained",
    "announce",
    "at_work",
    "drained",
]
