"""Signals and their receivers: Django's, async and typed, in the process and behind the bus."""

from heliograph.signals.announced import announced_signals, event_kinds
from heliograph.signals.collaborators import NOBODY, Collaborators
from heliograph.signals.queued import QueuedReceiver, queued_receivers
from heliograph.signals.receiver import check_collaborators, receiver
from heliograph.signals.senders import Signalling
from heliograph.signals.signal import (
    MODEL_SIGNALS,
    Signal,
    got_request_exception,
    m2m_changed,
    post_delete,
    post_save,
    pre_delete,
    pre_save,
    request_finished,
    request_started,
)

__all__ = [
    "MODEL_SIGNALS",
    "NOBODY",
    "Collaborators",
    "QueuedReceiver",
    "Signal",
    "Signalling",
    "announced_signals",
    "check_collaborators",
    "event_kinds",
    "got_request_exception",
    "m2m_changed",
    "post_delete",
    "post_save",
    "pre_delete",
    "pre_save",
    "queued_receivers",
    "receiver",
    "request_finished",
    "request_started",
]
