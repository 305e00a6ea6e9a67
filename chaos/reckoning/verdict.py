"""The verdict: everything drained, everything compared, told as a table."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from chaos.reckoning import records
from chaos.reckoning.checker import check, first_copies
from chaos.reckoning.findings import Findings
from chaos.reckoning.repeats import repeats
from chaos.world import World
from tests.polling import until

SHOWN = 20
DIGESTS_WITHIN_S = 30.0


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


async def verdict(world: World, faults: Mapping[str, int], *, within: float) -> Verdict:
    """Drain, sweep and check."""
    await world.let_an_hour_pass()
    seconds = await records.drained(world, within)
    if seconds is not None:
        with suppress(TimeoutError):
            # One that was due already tells of less: it has to be made before the last.
            await until(world.digests_made, within=DIGESTS_WITHIN_S)
            # And what was heard a moment ago would stand in the next.
            await world.let_an_hour_pass()
            await world.let_digests_be_due()
            await until(world.digests_made, within=DIGESTS_WITHIN_S)
        if await records.drained(world, within) is None:
            seconds = None
    left = await records.waiting(world)
    await records.sweep(world)
    held = await records.read(world)
    findings = check(
        world.ledger, world.listener.heard, held, wishes=world.wishes, watched=world.watched
    )
    if seconds is None:
        findings.left_over += [f"after {within:.0f} s: {each}" for each in left]
    there, named = await records.files(world)
    findings.lost += [f"the file {each}" for each in sorted(named - there)]
    findings.left_over += [f"the file {each}" for each in sorted(there - named)]
    findings.left_over += await records.idle_in_transaction(world)
    findings.unexpected += [f"ended by itself: {each}" for each in world.fleet.own_ends]
    findings.unexpected += world.ledger.server_errors
    findings.lost += [f"the {each}, which was deleted" for each in world.not_back]
    sent_at = {row.message_id: row.sent_at for row in held.notifications if row.sent_at}
    again = repeats(held.emails.values(), sent_at, [*world.failures.all, *world.fleet.failures.all])
    findings.twice += [f"an email: {each}" for each in again.unexplained]
    states = Counter(row.state for row in held.notifications)
    together = sum(row.state == "sent" and row.told_by is not None for row in held.notifications)
    heard, outcomes = world.listener.heard, world.ledger.outcomes()
    figures = {
        "changes asked for": f"{sum(outcomes.values())}: "
        + ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())),
        "events": f"{len(first_copies(heard))}, {len(heard)} copies",
        "views": f"{world.ledger.viewed} answered, {sum(held.view_counts.values())} counted",
        "to be told": f"{len(held.notifications)}: "
        + ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        + f" ({together} by the email of another)",
        "emails": f"{len(held.emails)}, and {again.again} again; {again.uncertain} were between "
        "their final dot and our record when something failed",
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
