"""Routes for advice: ask a thing's peers, see what they said and the curve among them, tell what became of it."""

import asyncio
from collections.abc import Iterable
from typing import Final

import msgspec
from aiohttp import web

from actors.community.picture import Drawing
from actors.community.report import ReportRow, report
from actors.dialogue import AdviceOutcome, thing_address
from actors.model.advice import Advice, Recommendation
from actors.model.base import Value
from actors.model.ids import CommunityId, OwnerId
from actors.model.ledger import LedgerRow, RowOutcome
from actors.model.machine import Declined
from actors.model.profiles import Name
from actors.model.readings import PrincipalKind
from actors.model.routes import operation
from actors.model.things import ThingRecord
from actors.thing.ledger import corrected_rows
from actors.thing.levels import unpacked
from actors.thing.state import ComponentState, ThingState
from hub.api.context import Hub, answer, asker, body_of, hub_of, record_in_path
from hub.api.problems import Problem

_PAGE: Final = 1000
_NO_SCRIPT: Final = {"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff"}
_ROW: Final = msgspec.json.Decoder(LedgerRow).decode
_ADVICE: Final = msgspec.json.Decoder(Advice)


class AskedPeers(Value, frozen=True, kw_only=True):
    """About what a thing's peers are asked: a slot, component or fault of its profile."""

    subject: Name


class ToldOutcome(Value, frozen=True, kw_only=True):
    """What became of advice, by a person's word: of the newest that called for an order, or of all that is open."""

    outcome: RowOutcome


class LastWord(Value, frozen=True, kw_only=True):
    """What was said about one subject of a thing: the newest answer, and the ledger's rows, newest first."""

    advice: Advice | None
    rows: tuple[LedgerRow, ...]
    picture: str = ""
    """Where the machine's curve among its peers is shown, when there is one."""


@operation(body=AskedPeers, reply=Advice)
async def ask(request: web.Request) -> web.Response:
    """Ask a thing's peers for it, as it may do by itself."""
    record = record_in_path(request)
    asked = await body_of(request, AskedPeers)
    said = await hub_of(request).advise(record, asked.subject)
    if isinstance(said, Declined):
        raise Problem(409, said.code, said.detail, said.next_step)
    return answer(said)


@operation(reply=list[LedgerRow])
async def list_rows(request: web.Request) -> web.Response:
    """Return what was recommended to a thing and what became of it, newest first."""
    record = record_in_path(request)
    return answer(await _rows(hub_of(request), record, f"{record.thing_id}/"))


@operation(reply=LastWord)
async def show(request: web.Request) -> web.Response:
    """Return the newest answer about a subject of a thing, and its rows in the ledger."""
    record, subject = record_in_path(request), request.match_info["subject"]
    hub = hub_of(request)
    rows = await _rows(hub, record, f"{record.thing_id}/{subject}/")
    body = hub.journal.record("advice", f"{record.thing_id}/{subject}")
    if body is None and not rows:
        raise Problem(404, "not_found", f"nothing was said about {subject} of {record.thing_id}", "ask with POST")
    component = _state(hub, record).components.get(subject)
    path = f"/api/v1/things/{record.thing_id}/advice/{subject}.svg" if component and component.trail else ""
    return answer(LastWord(advice=None if body is None else _ADVICE.decode(body), rows=tuple(rows), picture=path))


@operation(reply_media="image/svg+xml")
async def picture(request: web.Request) -> web.Response:
    """Return a component's health index by cycle, on the band of its peers, as an SVG picture."""
    record, subject = record_in_path(request), request.match_info["subject"]
    hub = hub_of(request)
    state = _state(hub, record)
    component = state.components.get(subject)
    if component is None or not component.trail or component.estimate is None or not state.communities:
        detail = f"{subject} of {record.thing_id} has no curve: its community has not judged it yet"
        raise Problem(404, "not_found", detail, "report more cycles of a component that a community has learned about")
    drawing = _drawing(hub, record, subject, component)
    svg = await hub.compute.picture(drawing, _judge_of(hub, state, subject, component), subject, record.owner_id)
    return web.Response(text=svg, content_type="image/svg+xml", charset="utf-8", headers=_NO_SCRIPT)


@operation(body=ToldOutcome)
async def tell_outcome(request: web.Request) -> web.Response:
    """Say what became of advice, such as a part that came back unused; the ledger's rows are closed or corrected."""
    record, subject = record_in_path(request), request.match_info["subject"]
    told = await body_of(request, ToldOutcome)
    hub = hub_of(request)
    rows = await _rows(hub, record, f"{record.thing_id}/{subject}/")
    newest = [row for row in rows if row.outcome is None] or rows[:1]
    closed = corrected_rows(newest, told.outcome, asker(request).name, hub.clock.now())
    if not closed:
        detail = f"no advice about {subject} of {record.thing_id} could have led to {told.outcome}"
        raise Problem(409, "no_such_advice", detail, f"see GET /api/v1/things/{record.thing_id}/advice/{subject}")
    return answer(await hub.engine.ask(thing_address(record.thing_id), AdviceOutcome(subject=subject, rows=closed)))


@operation(reply=list[ReportRow], query={"community": "name of one community"})
async def show_report(request: web.Request) -> web.Response:
    """Return what became of all advice by community, subject and model: calibration, false orders and misses."""
    if asker(request).kind is not PrincipalKind.OPERATOR:
        raise Problem(403, "forbidden", "the report is about all owners' things; only the operator sees it")
    wanted = request.query.get("community", "")
    hub = hub_of(request)
    if wanted and wanted not in hub.communities:
        raise Problem(404, "not_found", f"there is no community {wanted}; there are {', '.join(hub.communities)}")
    rows = [row for row in await _page_by_page(hub, None, "") if not wanted or row.community_id == wanted]
    return answer(await asyncio.to_thread(report, rows))


async def _rows(hub: Hub, record: ThingRecord, prefix: str) -> list[LedgerRow]:
    rows = await _page_by_page(hub, record.owner_id, prefix)
    return sorted(rows, key=lambda row: row.given_at, reverse=True)


async def _page_by_page(hub: Hub, owner_id: OwnerId | None, prefix: str) -> list[LedgerRow]:
    """Return the rows whose keys begin so; the loop does other things between pages."""
    found: list[LedgerRow] = []
    after = prefix
    while page := list(hub.journal.records("ledger", owner_id, after=after, limit=_PAGE)):
        keys = [row.key for row in page if row.key.startswith(prefix)]
        found += _decoded(row.body for row in page if row.key.startswith(prefix))
        if len(keys) < len(page) or len(page) < _PAGE:
            break
        after = page[-1].key
        await asyncio.sleep(0)
    return found


def _decoded(bodies: Iterable[bytes | None]) -> list[LedgerRow]:
    return [_ROW(body) for body in bodies if body is not None]


def _state(hub: Hub, record: ThingRecord) -> ThingState:
    state: ThingState = hub.engine.read(thing_address(record.thing_id))
    return state


def _judge_of(hub: Hub, state: ThingState, subject: str, component: ComponentState) -> CommunityId:
    """Return the community whose model told the curve; the narrowest one when that model is gone."""
    for community_id in state.communities:
        model = hub.compute.model(community_id, subject)
        if model is not None and model.version == component.trail_of:
            return community_id
    return state.communities[0]


def _drawing(hub: Hub, record: ThingRecord, subject: str, component: ComponentState) -> Drawing:
    thing = hub.registry.find(record.thing_id)
    spec = thing.profile.components.get(subject) if thing else None
    body = hub.journal.record("advice", f"{record.thing_id}/{subject}")
    said = None if body is None else _ADVICE.decode(body)
    estimate = component.estimate or 0.0
    sentence = said.sentence if isinstance(said, Recommendation) else f"Peers say that about {estimate:.0f} are left."
    return Drawing(
        title=f"{(spec.title if spec else '') or subject} of {record.thing_id} among its peers",
        sentence=sentence,
        curve=list(unpacked(component.trail)),
        estimate=estimate,
        band=None,
    )


ROUTES = (
    web.post("/api/v1/things/{thing_id}/advice", ask),
    web.get("/api/v1/things/{thing_id}/advice", list_rows),
    web.get("/api/v1/things/{thing_id}/advice/{subject}.svg", picture),
    web.get("/api/v1/things/{thing_id}/advice/{subject}", show),
    web.post("/api/v1/things/{thing_id}/advice/{subject}/outcome", tell_outcome),
    web.get("/api/v1/advice/report", show_report),
)
