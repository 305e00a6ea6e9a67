"""Redriving and discarding what is parked: first a question, then what became of it."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query
from starlette.responses import Response

from heliograph.web import GuardedRoute
from services.console.api.dependencies import Actor, NotAllowed, TheConsole, Viewer, log_act
from services.console.api.pages import page, see_other
from services.console.api.parked import FEW, HERE, wrong
from services.console.peers import Peer
from services.console.repositories.names import names_of
from services.console.repositories.outcomes import OutcomeRepository
from services.console.shelves.acts import Act, Chosen, Outcome, act_on, together
from services.console.shelves.looking import look
from services.console.shelves.question import Question, ask

NAMED = 20
"""Most ids that the log names of one call, and most events that the page of an outcome names."""

router = APIRouter(prefix=HERE, route_class=GuardedRoute, include_in_schema=False)


@router.get("/question")
async def question(
    console: TheConsole,
    viewer: Viewer,
    act: Act,
    row: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies it
    group: Annotated[list[str], Query()] = [],  # noqa: B006
) -> Response:
    if not viewer.acts:
        raise NotAllowed("You may look, and not act: that needs the scope console:admin.")
    try:
        rows = [Chosen.read(each) for each in row]
    except ValueError:
        return wrong(viewer, 400, "An event is named as notifier/inbox/12.")
    found = await look(console.peers)
    asked = ask(act, found, rows, group)
    few = [(each, each.events[:FEW]) for each in asked.groups]
    meant = [one for each in asked.groups for one in each.events]
    async with console.database.reading() as session:
        names = await names_of(session, (one.event_id for _, events in few for one in events))
    named = {each.service for each in rows}
    return page(
        "parked_question",
        viewer,
        path=HERE,
        act=act,
        asked=asked,
        few=few,
        names=names,
        event_ids=[one.event_id for one in meant if one.is_known_by_id][:NAMED],
        nothing_chosen=not rows and not group,
        silent=[each for each in found.missing if group or each.service in named],
        back=_back(asked),
    )


@router.post("/act")
async def act(
    console: TheConsole,
    viewer: Actor,
    act: Annotated[Act, Form()],
    chosen: Annotated[list[str], Form()],
    event: Annotated[list[UUID], Form(max_length=NAMED)] = [],  # noqa: B006
) -> Response:
    try:
        boxes = together(Chosen.read(each) for each in chosen)
    except ValueError:
        return wrong(viewer, 400, "Events are named as notifier/inbox/12,13.")
    peers = [console.peers.named(each.service) for each in boxes]
    if None in peers:
        return wrong(viewer, 404, "The console was told of no such service.")
    outcomes = [
        await _carry_out(viewer, peer, act, each)
        for peer, each in zip(peers, boxes, strict=True)
        if peer is not None
    ]
    async with console.database.transaction() as session:
        outcome_id = await OutcomeRepository(session).add(viewer.person, act, outcomes, event)
    return see_other(f"{HERE}/outcomes/{outcome_id}")


@router.get("/outcomes/{id}")
async def show_outcome(console: TheConsole, viewer: Viewer, id: UUID) -> Response:
    async with console.database.reading() as session:
        found = await OutcomeRepository(session).get(viewer.person, id)
        names = await names_of(session, found[2] if found else ())
    if found is None:
        return wrong(viewer, 404, "What became of it is no longer kept, or somebody else did it.")
    act, outcomes, event_ids = found
    chosen = sum(each.done + each.gone + each.left + each.unknown for each in outcomes)
    return page(
        "parked_outcome",
        viewer,
        path=HERE,
        act=act,
        outcomes=outcomes,
        # Several receivers may have parked the same event.
        event_ids=list(dict.fromkeys(map(str, event_ids))),
        unnamed=chosen - len(event_ids),
        names=names,
    )


async def _carry_out(viewer: Actor, peer: Peer, act: Act, chosen: Chosen) -> Outcome:
    """Call as often as it needs; the first call that goes wrong is the last."""
    total = Outcome(chosen.service, chosen.box)
    for call in chosen.calls():
        outcome = await act_on(peer, act, call)
        log_act(
            viewer,
            f"{act} parked events",
            service=call.service,
            box=call.box,
            asked=len(call.ids),
            ids=call.ids if len(call.ids) <= NAMED else f"{call.ids[0]} … {call.ids[-1]}",
            done=outcome.done,
            why=outcome.why,
        )
        total = total.with_next(outcome)
        if outcome.why is not None:
            break
    return total.of(len(chosen.ids))


def _back(asked: Question) -> str:
    """To the list where they stood, if they stood in one."""
    places = {(each.service, each.receiver) for each in asked.groups}
    if len(places) != 1:
        return HERE
    [(service, receiver)] = places
    return f"{HERE}?{urlencode({'service': service, 'receiver': receiver})}"
