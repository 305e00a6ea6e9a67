"""The verdict: everything drained, everything compared, told as a table."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from chaos.reckoning import records
from chaos.reckoning.checker import Findings, check, first_copies, repeated
from chaos.world import World
from services.notifier.sending.worker import SIDE_BY_SIDE

SHOWN = 20


@dataclass(frozen=True)
class Verdict:
    """What a campaign found."""

    figures: Mapping[str, str]
    faults: Mapping[str, int]
    findings: Findings

    @property
    def passed(self) -> bool:
        return not self.findings.all()

    def print(self) -> None:
        """Print the figures, what each fault class hit how often, and what is wrong."""
        console = Console(width=100, highlight=False, markup=False)
        for title, rows in (("Faults", self.faults), ("Figures", self.figures)):
            table = Table("", title, box=None, show_header=True, title_justify="left")
            for name, value in rows.items():
                table.add_row(name, str(value))
            console.print(table)
        wrong = self.findings.all()
        for line in wrong[:SHOWN]:
            console.print(f"WRONG  {line}")
        if len(wrong) > SHOWN:
            console.print(f"WRONG  and {len(wrong) - SHOWN} more")
        console.print("Nothing lost, nothing twice." if self.passed else "FAILED")


async def verdict(
    world: World, faults: Mapping[str, int], *, within: float, uncertain_emails: int | None = None
) -> Verdict:
    """Drain, sweep and check.

    `uncertain_emails` is how many emails can have been under way when something failed between
    the mail server's answer and our record of it; None takes those of killed mail workers.
    """
    seconds = await records.drained(world, within)
    left = await records.waiting(world)
    await records.sweep(world)
    held = await records.read(world)
    findings = check(world.ledger, world.listener.heard, held)
    if seconds is None:
        findings.left_over += [f"after {within:.0f} s: {each}" for each in left]
    there, named = await records.files(world)
    findings.lost += [f"the file {each}" for each in sorted(named - there)]
    findings.left_over += [f"the file {each}" for each in sorted(there - named)]
    findings.left_over += await records.idle_in_transaction(world)
    findings.unexpected += [f"ended by itself: {each}" for each in world.fleet.own_ends]
    findings.unexpected += world.ledger.server_errors
    findings.lost += [f"the {each}, which was deleted" for each in world.not_back]
    if uncertain_emails is None:
        uncertain_emails = world.fleet.kills["notifier work"] * SIDE_BY_SIDE
    again = repeated(held.message_ids)
    if again > uncertain_emails:
        findings.twice.append(f"{again} emails, which {uncertain_emails} failures do not explain")
    heard, outcomes = world.listener.heard, world.ledger.outcomes()
    figures = {
        "changes asked for": f"{sum(outcomes.values())}: "
        + ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())),
        "events": f"{len(first_copies(heard))}, {len(heard)} copies",
        "views": f"{world.ledger.viewed} answered, {sum(held.view_counts.values())} counted",
        "emails": f"{len(held.message_ids)}, {again} of them again "
        f"(at most {uncertain_emails} could be)",
        "SIGKILLs": str(sum(world.fleet.kills.values())),
        "SIGSTOPs": str(sum(world.fleet.stops.values())),
        "lost": str(len(findings.lost)),
        "unexpected": str(len(findings.unexpected)),
        "out of order": str(len(findings.out_of_order)),
        "effects twice": str(len(findings.twice)),
        "left over": str(len(findings.left_over)),
        "drained after": "not" if seconds is None else f"{seconds:.1f} s",
        "files": f"{len(there)}, {len(named)} of them referenced",
    }
    return Verdict(figures, faults, findings)
