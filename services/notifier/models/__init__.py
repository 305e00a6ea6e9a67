"""The notifier's tables."""

from heliograph.inbox import inbox_table
from heliograph.programs import program_table
from services.notifier.models.base import FREQUENCIES, Base, Frequency, Kind, State, Topic
from services.notifier.models.notifications import Digest, Letter, Notification, Spread
from services.notifier.models.people import Attempts, Bounce, Refusal, Suppression
from services.notifier.models.products import Occasion, Product, ProductPrice
from services.notifier.models.subscriptions import Request, Subscription

inbox = inbox_table(Base.metadata)
"""The notifier's reactions to the catalog."""

programs = program_table(Base.metadata)
"""The notifier's processes."""

__all__ = [
    "FREQUENCIES",
    "Attempts",
    "Base",
    "Bounce",
    "Digest",
    "Frequency",
    "Kind",
    "Letter",
    "Notification",
    "Occasion",
    "Product",
    "ProductPrice",
    "Refusal",
    "Request",
    "Spread",
    "State",
    "Subscription",
    "Suppression",
    "Topic",
    "inbox",
    "programs",
]
