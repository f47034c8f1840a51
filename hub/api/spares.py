"""The route for spare parts: how many to keep, asked through a thing for its owner's fleet."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from actors.community.spares import SPARES, looks_of, moments_of
from actors.dialogue import ShareExperience, chapter_address, thing_address
from actors.model.advice import Advice, ExperienceCard, Topic
from actors.model.base import Value
from actors.model.ids import CommunityId, fingerprint
from actors.model.machine import Declined
from actors.model.routes import operation
from actors.model.things import Purpose, ThingRecord
from actors.thing.state import ThingState
from hub.api.context import Hub, answer, body_of, hub_of, record_in_path
from hub.api.problems import Problem

_FEWEST_MONTHS = 18
_MOST_MONTHS = 120
Pieces = Annotated[float, Meta(ge=0, le=1_000_000)]


class SparesWanted(Value, frozen=True, kw_only=True):
    """A spare part of the owner's fleet, and how many were needed in each month, the oldest first."""

    sku: Annotated[str, Meta(min_length=1, max_length=100)]
    months: Annotated[list[Pieces], Meta(min_length=_FEWEST_MONTHS, max_length=_MOST_MONTHS)]
    lead_months: Annotated[int, Meta(ge=1, le=12)] = 3
    surely: Annotated[float, Meta(ge=0.5, le=0.999)] = 0.95
    """In which share of cases the stock must last."""


@operation(body=SparesWanted, reply=Advice)
async def ask(request: web.Request) -> web.Response:
    """Ask how many of a spare part to keep; with the consent ``supplies`` peers learn from its history."""
    record = record_in_path(request)
    wanted = await body_of(request, SparesWanted)
    hub = hub_of(request)
    said = await hub.spares(record, (*looks_of(wanted.months), wanted.surely, float(wanted.lead_months)), wanted.sku)
    if isinstance(said, Declined):
        raise Problem(409, said.code, said.detail, said.next_step)
    if Purpose.SUPPLIES in record.shares:
        await _share(hub, record, wanted)
    return answer(said)


async def _share(hub: Hub, record: ThingRecord, wanted: SparesWanted) -> None:
    """Tell peers how the part looked and what was needed then: bounded, and the same card for the same moment."""
    if len(wanted.months) < _FEWEST_MONTHS + wanted.lead_months:
        return
    state: ThingState = hub.engine.read(thing_address(record.thing_id))
    for place, looks in enumerate(moments_of(wanted.months, wanted.lead_months)):
        for community_id in state.communities:
            await hub.engine.ask(
                chapter_address(community_id, record.thing_id),
                ShareExperience(
                    thing_id=record.thing_id, card=_card(hub, record, community_id, wanted.sku, (place, looks))
                ),
            )


def _card(
    hub: Hub, record: ThingRecord, community_id: CommunityId, sku: str, moment: tuple[int, tuple[float, ...]]
) -> ExperienceCard:
    place, looks = moment
    told = ",".join(f"{each:.6f}" for each in looks)
    return ExperienceCard(
        card_id=fingerprint(hub.installation, community_id, record.owner_id, sku, str(place), told),
        community_id=community_id,
        topic=Topic.SPARES,
        owner_id=record.owner_id,
        subject=SPARES,
        looks=looks,
    )


ROUTES = (web.post("/api/v1/things/{thing_id}/spares", ask),)
