"""Routes for communities: who is in, what evidence there is, and bringing in finished lives."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from actors.community.core import CommunityState, member_kind
from actors.dialogue import ContributeLives, community_address
from actors.model.advice import ExperienceCard
from actors.model.base import Value
from actors.model.ids import CommunityId
from actors.model.profiles import HealthSpec
from actors.model.readings import PrincipalKind
from actors.model.routes import operation
from actors.runtime.journal import Batch, RecordRow
from hub.api.context import Hub, answer, asker, body_of, hub_of
from hub.api.problems import Problem
from hub.compute import TRAINING_LIFE, store
from hub.training import TrainingLife

_MOST_CYCLES = 5000


class FinishedLife(Value, frozen=True, kw_only=True):
    """A whole life for training: one row a cycle, the last one its failure. Given with its owner's consent."""

    life_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
    owner_id: str
    rows: Annotated[list[list[float]], Meta(min_length=10, max_length=_MOST_CYCLES)]


class Lives(Value, frozen=True, kw_only=True):
    """Finished lives of one component, to train its health model on."""

    subject: str
    n_settings: Annotated[int, Meta(ge=0)] = 3
    lives: Annotated[list[FinishedLife], Meta(min_length=1)]


class Cards(Value, frozen=True, kw_only=True):
    """Experience cards from elsewhere."""

    cards: Annotated[tuple[ExperienceCard, ...], Meta(min_length=1)]


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
    rows = [_life_row(community_id, body, life) for life in body.lives]
    await store(hub.journal, Batch(records=rows))
    message = ContributeLives(training=tuple(row.key for row in rows), subject=body.subject)
    return answer(await hub.engine.ask(community_address(community_id), message), status=202)


@operation(body=Cards, status=(201,))
async def contribute_cards(request: web.Request) -> web.Response:
    """Bring in experience cards; a card of a known id changes nothing."""
    community_id = _community(request)
    body = await body_of(request, Cards)
    foreign = [card.card_id for card in body.cards if card.community_id != community_id]
    if foreign:
        raise Problem(422, "foreign_card", f"{foreign[0]} is a card of another community than {community_id}")
    reply = await hub_of(request).engine.ask(community_address(community_id), ContributeLives(cards=body.cards))
    return answer(reply, status=201)


def _community(request: web.Request) -> CommunityId:
    if asker(request).kind is not PrincipalKind.OPERATOR:
        raise Problem(403, "forbidden", "only the operator brings experience in from outside")
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


def _life_row(community_id: CommunityId, body: Lives, life: FinishedLife) -> RecordRow:
    packed = TrainingLife(life_id=life.life_id, owner_id=life.owner_id, n_settings=body.n_settings, rows=life.rows)
    return RecordRow(
        kind=TRAINING_LIFE,
        key=f"{community_id}/{body.subject}/{life.life_id}",
        owner=life.owner_id,
        body=msgspec.msgpack.encode(packed),
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
    }


ROUTES = (
    web.get("/api/v1/communities", list_communities),
    web.post("/api/v1/communities/{community_id}/lives", contribute_lives),
    web.post("/api/v1/communities/{community_id}/cards", contribute_cards),
)
