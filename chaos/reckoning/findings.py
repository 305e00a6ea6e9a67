"""Findings: what a campaign found to be wrong."""

from dataclasses import dataclass, field


@dataclass
class Findings:
    """What is wrong, by kind; nothing if all promises were kept."""

    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    """Effects in a database that one event had more than once."""
    left_over: list[str] = field(default_factory=list)
    """What should have been drained, purged or ended."""

    def all(self) -> list[str]:
        kinds = vars(self).items()
        return [f"{kind.replace('_', ' ')}: {what}" for kind, found in kinds for what in found]
