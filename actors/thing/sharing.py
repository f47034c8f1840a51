"""What a thing shares with its peers: cards of supplies used up and of what was done about faults. Pure functions."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from actors.community.weekdays import FLAT, weekday_shape
from actors.dialogue import ShareExperience, chapter_address
from actors.model.advice import ExperienceCard, RemedyOutcome, RemedyTried, Topic
from actors.model.ids import CommunityId, InstallationId, fingerprint
from actors.model.needs import Need
from actors.model.profiles import ThingProfile
from actors.model.things import Purpose, ThingRecord
from actors.runtime.turns import Effect, Tell
from actors.thing.levels import unpacked
from actors.thing.noticing import need_state, use_per_day
from actors.thing.state import NeedState, SlotState, ThingState

Told = tuple[ExperienceCard, tuple[str, ...]]
"""A card, id and community still to be given, and its place in the thing's life, from which its id is derived."""

_DAY_S = 86400.0


def to_peers(
    installation: InstallationId, communities: Iterable[CommunityId], record: ThingRecord, told: Iterable[Told]
) -> Iterator[Effect]:
    """Yield what brings cards to every community of a thing, under an id of its own in each.

    The id is the same however often it is derived, and tells nothing to who does not know this installation's.
    """
    for card, place in told:
        for community_id in communities:
            card_id = fingerprint(installation, community_id, record.thing_id, card.subject, *place)
            share = ShareExperience(
                thing_id=record.thing_id, card=replace(card, card_id=card_id, community_id=community_id)
            )
            yield Tell(chapter_address(community_id, record.thing_id), share)


def supply_told(
    installation: InstallationId, before: ThingState, after: ThingState, record: ThingRecord, subject: str
) -> Iterator[Effect]:
    """Yield what tells peers about a piece that ended, where the owner shares it and its life is known."""
    slot, former = after.slots.get(subject), before.slots.get(subject)
    if slot is None or former is None or slot.last_life is None or Purpose.SUPPLIES not in record.shares:
        return
    if former.sku:
        card = _supply_card(record, subject, former, slot, need_state(before, subject))
        yield from to_peers(installation, after.communities, record, [card])


def _supply_card(
    record: ThingRecord,
    subject: str,
    former: SlotState,
    slot: SlotState,
    need: NeedState,
) -> Told:
    """Return what the piece that just ended was worth."""
    shares_price = Purpose.PRICES in record.shares and need.price_minor is not None
    card = ExperienceCard(
        card_id="",
        community_id=CommunityId(""),
        topic=Topic.MATERIAL,
        owner_id=record.owner_id,
        subject=subject,
        sku=former.sku,
        lived=slot.last_life or 0.0,
        usage=use_per_day(former) if former.levels else 0.0,
        weekdays=_weekdays(former),
        price_minor=round(need.price_minor / need.pieces) if shares_price and need.price_minor is not None else None,
        currency=need.currency if shares_price else None,
    )
    return card, (str(slot.refills),)


def _weekdays(slot: SlotState) -> tuple[float, ...]:
    """Return the use by weekday, where the history is long enough to tell it."""
    shape = weekday_shape(unpacked(slot.levels))
    return () if shape == FLAT else tuple(round(each, 2) for each in shape)


def remedies_told(record: ThingRecord, subject: str, known: NeedState, tried: Sequence[RemedyTried]) -> list[Told]:
    """Return what lets peers know what was done about a fault, and whether that helped."""
    if Purpose.REPAIRS not in record.shares:
        return []
    return [_told(record, subject, f"{known.episode}.{place}", each) for place, each in enumerate(tried)]


def remedy_taken_back(state: ThingState, record: ThingRecord, need: Need, profile: ThingProfile) -> list[Told]:
    """Return what takes back that a remedy helped, when the fault is there again soon."""
    known, fault = need_state(state, need.subject), profile.faults.get(need.subject)
    if fault is None or known.helped is None or Purpose.REPAIRS not in record.shares:
        return []
    if need.opened_at.timestamp() - known.helped_at > fault.back_within_days * _DAY_S:
        return []
    back = RemedyTried(remedy=known.helped.remedy, outcome=RemedyOutcome.CAME_BACK)
    return [_told(record, need.subject, f"{known.episode}.back", back)]


def _told(record: ThingRecord, subject: str, place: str, tried: RemedyTried) -> Told:
    cost = tried.cost if Purpose.PRICES in record.shares else None
    card = ExperienceCard(
        card_id="",
        community_id=CommunityId(""),
        topic=Topic.REMEDY,
        owner_id=record.owner_id,
        subject=subject,
        price_minor=cost.minor if cost else None,
        currency=cost.currency if cost else None,
        tried=RemedyTried(remedy=tried.remedy, outcome=tried.outcome),
    )
    return card, ("remedy", place)
