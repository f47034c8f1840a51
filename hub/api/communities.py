"""Routes for communities: who is in, what evidence there is, and bringing in finished lives."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta
from msgspec.structs import replace

from actors.community.core import (
    EVENT_HISTORY,
    CommunityState,
    Contribution,
    card_key,
    contribution_key,
    member_kind,
)
from actors.community.failing import FAILING
from actors.dialogue import ContributeLives, chapter_address, community_address
from actors.model.advice import ExperienceCard
from actors.model.base import Value
from actors.model.histories import EventHistory
from actors.model.ids import CommunityId, OwnerId, ThingId, fingerprint
from actors.model.profiles import HealthSpec
from actors.model.readings import PrincipalKind
from actors.model.routes import operation
from actors.model.things import Purpose
from actors.runtime.journal import Batch, RecordRow
from hub.api import federation
from hub.api.bodies import whole_body
from hub.api.context import Hub, answer, asker, body_of, check_owner, hub_of
from hub.api.problems import Problem
from hub.exports import Export, Piece
from hub.leaving import Leaving
from hub.model_making import TRAINING_LIFE
from hub.peers import CARD
from hub.storing import store
from hub.taking_in import TakenIn
from hub.training import TrainingLife

_MOST_CYCLES = 5000


class FinishedLife(Value, frozen=True, kw_only=True):
    """A whole life for training: one row a cycle, the last one its failure. Given with its owner's consent.

    Where ``thing_id`` names a registered thing, that one must share for the purpose ``training``.
    """

    life_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
    owner_id: str
    rows: Annotated[list[list[float]], Meta(min_length=10, max_length=_MOST_CYCLES)]
    thing_id: ThingId | None = None


class Lives(Value, frozen=True, kw_only=True):
    """Finished lives of one component, to train its health model on."""

    subject: str
    n_settings: Annotated[int, Meta(ge=0)] = 3
    lives: Annotated[list[FinishedLife], Meta(min_length=1)]


class Cards(Value, frozen=True, kw_only=True):
    """Experience cards from elsewhere."""

    cards: Annotated[tuple[ExperienceCard, ...], Meta(min_length=1)]


class LeavingWanted(Value, frozen=True, kw_only=True):
    """Who leaves: one thing, or all things of an owner. ``forget``: what they shared is removed, too."""

    thing_id: ThingId | None = None
    owner_id: OwnerId | None = None
    forget: bool = False


class Judgement(Value, frozen=True, kw_only=True):
    """Contributions that were not believed, by the ids that the list of communities names, and a person's word."""

    ids: Annotated[list[str], Meta(min_length=1)]
    believed: bool


class Histories(Value, frozen=True, kw_only=True):
    """What happened to things, given with their owners' consent to train on it."""

    histories: Annotated[list[EventHistory], Meta(min_length=1, max_length=100_000)]


@operation()
async def list_communities(request: web.Request) -> web.Response:
    """Return the communities with their evidence, never who said what."""
    asker(request)
    hub = hub_of(request)
    return answer([_shown(hub, CommunityId(name)) for name in hub.communities])


@operation(body=Lives, status=(202,))
async def contribute_lives(request: web.Request) -> web.Response:
    """Bring in finished lives and train on all there are; the model is published when it is ready."""
    community_id = _community(request)
    body = await body_of(request, Lives)
    hub = hub_of(request)
    _check_shape(hub.registry.components(community_id, body.subject), community_id, body)
    for life in body.lives:
        _check_consent(hub, community_id, life)
    rows = [row for life in body.lives for row in _life_rows(hub, community_id, body, life)]
    await store(hub.journal, Batch(records=rows))
    message = ContributeLives(kept_lives=len(body.lives), subject=body.subject)
    return answer(await hub.engine.ask(community_address(community_id), message), status=202)


@operation(body=Histories, status=(202,))
async def contribute_histories(request: web.Request) -> web.Response:
    """Bring in what happened to things, and learn from all there is which part fails next."""
    community_id = _community(request)
    body = await body_of(request, Histories)
    hub = hub_of(request)
    if not hub.registry.parts(community_id):
        detail = f"no member of {community_id} has a part that can be foretold"
        raise Problem(422, "unknown_component", detail, "name tables [events] and [parts.NAME] in a member's profile")
    rows = [_history_row(community_id, history) for history in body.histories]
    await store(hub.journal, Batch(records=rows))
    message = ContributeLives(kept_lives=len(rows), subject=FAILING)
    return answer(await hub.engine.ask(community_address(community_id), message), status=202)


@operation(body=Cards, status=(201,))
async def contribute_cards(request: web.Request) -> web.Response:
    """Bring in experience cards; a card of a known id changes nothing."""
    community_id = _community(request)
    body = await body_of(request, Cards)
    foreign = [card.card_id for card in body.cards if card.community_id != community_id]
    if foreign:
        raise Problem(422, "foreign_card", f"{foreign[0]} is a card of another community than {community_id}")
    hub = hub_of(request)
    known = hub.compute.peers.evidence.knows
    cards = [replace(card, hub="") for card in body.cards if not known(card)]
    await store(hub.journal, Batch(records=[_card_row(card) for card in cards]))
    for card in cards:
        hub.compute.peers.take(card)
    return answer(
        await hub.engine.ask(community_address(community_id), ContributeLives(kept_cards=len(cards))), status=201
    )


@operation(body=LeavingWanted)
async def leave(request: web.Request) -> web.Response:
    """Take a thing, or all of an owner's, out of a community; the answer counts what was withdrawn or removed."""
    principal, hub, community_id = asker(request), hub_of(request), _known(request)
    body = await body_of(request, LeavingWanted)
    if (body.thing_id is None) == (body.owner_id is None):
        raise Problem(422, "malformed", "expected one of thing_id and owner_id", "name the thing, or the owner of all")
    record = None if body.thing_id is None else hub.registry.record(body.thing_id)
    owner_id = body.owner_id if record is None else record.owner_id
    if owner_id is None:
        raise Problem(404, "not_found", f"there is no thing {body.thing_id}", "list them with GET /api/v1/things")
    check_owner(principal, owner_id, f"thing {body.thing_id}" if body.thing_id else f"owner {owner_id}")
    leaving = Leaving(hub.engine, hub.journal, hub.compute)
    return answer(await leaving.leave(community_id, owner_id, body.thing_id, forget=body.forget))


@operation(body=Judgement)
async def judge(request: web.Request) -> web.Response:
    """Believe contributions that were not, from the next epoch or training on, or leave them to their peers' word."""
    community_id, hub = _community(request), hub_of(request)
    body = await body_of(request, Judgement)
    n_cards = await hub.compute.peers.vouch(community_id, body.ids, believed=body.believed)
    n_lives = await hub.compute.models.vouch(community_id, body.ids, believed=body.believed)
    return answer({"cards": n_cards, "lives": n_lives})


@operation(reply=Export)
async def export(request: web.Request) -> web.Response:
    """Return the signed list of what this hub tells other hubs of a community: cards under pseudonyms and sketches."""
    community_id, hub = _community(request), hub_of(request)
    return answer(await hub.federation.export(community_id, hub.compute.k_owners(community_id)))


@operation(reply=Piece)
async def export_piece(request: web.Request) -> web.Response:
    """Return a piece that such a list names."""
    return federation.piece_of(request, _community(request))


@operation(body=Export, reply=TakenIn)
async def take_in(request: web.Request) -> web.Response:
    """Take in another hub's export, or say which pieces are wanted first; what is no longer in it is withdrawn."""
    community_id = _community(request)
    return await federation.take_list(request, await whole_body(request), community_id)


@operation(body=Piece, reply=federation.StillWanted)
async def take_piece(request: web.Request) -> web.Response:
    """Keep a piece of an export whose list was sent before."""
    community_id = _community(request)
    return await federation.keep_piece(request, await whole_body(request), community_id)


@operation()
async def exchange(request: web.Request) -> web.Response:
    """Exchange evidence now with the hubs of the configuration that have an address; tells how it went with each."""
    community_id = _community(request)
    return answer(await hub_of(request).exchange.with_all(community_id))


def _community(request: web.Request) -> CommunityId:
    if asker(request).kind is not PrincipalKind.OPERATOR:
        raise Problem(403, "forbidden", "only the operator brings experience in from outside, or judges it")
    return _known(request)


def _known(request: web.Request) -> CommunityId:
    community_id = CommunityId(request.match_info["community_id"])
    if community_id not in hub_of(request).communities:
        known = ", ".join(hub_of(request).communities)
        raise Problem(404, "not_found", f"there is no community {community_id}; there are {known}")
    return community_id


def _check_shape(components: Sequence[HealthSpec], community_id: CommunityId, body: Lives) -> None:
    """Refuse lives that no model could be trained on together with those of the members.

    Raises:
        Problem: no member has the component, or a row is not its settings and sensors.
    """
    if not components:
        detail = f"subject: {body.subject!r} is no component of a member of {community_id}"
        raise Problem(422, "unknown_component", detail, "name a table [components.NAME] of a member's profile")
    shapes = {(part.settings, part.settings + part.sensors) for part in components}
    wanted = " or ".join(f"n_settings {settings} and rows of {width}" for settings, width in sorted(shapes))
    for life in body.lives:
        widths = sorted({len(row) for row in life.rows})
        if len(widths) != 1 or (body.n_settings, widths[0]) not in shapes:
            detail = f"{life.life_id}: expected {wanted} numbers, got n_settings {body.n_settings} and rows of {widths}"
            raise Problem(422, "malformed", detail, "send a row of settings, then sensors, for each cycle")


def _check_consent(hub: Hub, community_id: CommunityId, life: FinishedLife) -> None:
    """Refuse the life of a registered thing whose owner did not agree to training on it.

    Raises:
        Problem: it is another owner's, it does not share for training, or it is no member.
    """
    if life.thing_id is None:
        return
    record = hub.registry.record(life.thing_id)
    member = hub.engine.read(chapter_address(community_id, life.thing_id)).members.get(life.thing_id)
    if record is None or record.owner_id != life.owner_id:
        detail = f"{life.life_id}: {life.thing_id} is no thing of {life.owner_id}"
        raise Problem(422, "unknown_thing", detail, "correct thing_id or owner_id, or leave thing_id out")
    if member is None or Purpose.TRAINING not in member.purposes:
        detail = f"{life.life_id}: {life.thing_id} does not share for training in {community_id}"
        raise Problem(403, "no_consent", detail, 'its owner registers it with "training" in shares')


def _life_rows(hub: Hub, community_id: CommunityId, body: Lives, life: FinishedLife) -> Iterator[RecordRow]:
    """Yield a life under an id that names no machine, and the link to it from the thing that gave it."""
    life_id = fingerprint(hub.installation, community_id, body.subject, life.life_id)
    packed = TrainingLife(life_id=life_id, owner_id=life.owner_id, n_settings=body.n_settings, rows=life.rows)
    key = f"{community_id}/{body.subject}/{life_id}"
    yield RecordRow(kind=TRAINING_LIFE, key=key, owner=life.owner_id, body=msgspec.msgpack.encode(packed))
    if life.thing_id is not None:
        link = msgspec.json.encode(Contribution(kind=TRAINING_LIFE, key=key))
        name = contribution_key(life.thing_id, community_id, life_id)
        yield RecordRow(kind="contribution", key=name, owner=life.owner_id, body=link)


def _card_row(card: ExperienceCard) -> RecordRow:
    return RecordRow(kind=CARD, key=card_key(card), owner=card.owner_id, body=msgspec.json.encode(card))


def _history_row(community_id: CommunityId, history: EventHistory) -> RecordRow:
    return RecordRow(
        kind=EVENT_HISTORY,
        key=f"{community_id}/{history.history_id}",
        owner=history.owner_id,
        body=msgspec.json.encode(history),
    )


def _shown(hub: Hub, community_id: CommunityId) -> dict[str, Any]:
    state: CommunityState = hub.engine.read(community_address(community_id))
    owners = Counter[str](hub.journal.owners(member_kind(community_id)))
    owners.update(member.owner_id for member in state.members.values())  # of journals from before there were chapters
    return {
        "community_id": community_id,
        "members": owners.total(),
        "owners": len(owners),
        "cards": state.cards,
        "lives": state.lives,
        "models": state.models,
        "training": state.training,
        "other_hubs": hub.exchange.other_hubs(community_id),
        "fingerprint": hub.federation.fingerprint,
        "exchanges": hub.exchange.newest(community_id),
        "imports": hub.exchange.under_way(community_id),
        "unfinished": hub.exchange.unfinished(community_id),
        "trimmed": [*hub.compute.peers.trimmed(community_id), *hub.compute.models.trimmed(community_id)],
    }


ROUTES = (
    web.get("/api/v1/communities", list_communities),
    web.post("/api/v1/communities/{community_id}/lives", contribute_lives),
    web.post("/api/v1/communities/{community_id}/histories", contribute_histories),
    web.post("/api/v1/communities/{community_id}/cards", contribute_cards),
    web.post("/api/v1/communities/{community_id}/leave", leave),
    web.post("/api/v1/communities/{community_id}/judgement", judge),
    web.get("/api/v1/communities/{community_id}/export", export),
    web.get("/api/v1/communities/{community_id}/export/{sha256}", export_piece),
    web.post("/api/v1/communities/{community_id}/import", take_in),
    web.post("/api/v1/communities/{community_id}/import/{sha256}", take_piece),
    web.post("/api/v1/communities/{community_id}/exchange", exchange),
)
