"""Claims on the outbox: how several relays share it and each subject keeps its order."""

from heliograph.outbox.claims.connect import claims_for
from heliograph.outbox.claims.protocol import Claim, Claims, OutboxRow, Outcome

__all__ = [
    "Claim",
    "Claims",
    "OutboxRow",
    "Outcome",
    "claims_for",
]
