"""Claims: what is due is looked at again before it is sent."""

from services.notifier.repositories.claims.claims import Claims
from services.notifier.repositories.claims.due import Claimed, Due
from services.notifier.repositories.claims.letters import LetterBook

__all__ = ["Claimed", "Claims", "Due", "LetterBook"]
