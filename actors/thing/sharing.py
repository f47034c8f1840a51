"""What a thing shares with its peers: cards of supplies used up and of what was done about faults. Pure functions."""

from collections.abc import Sequence

from actors.dialogue import ShareExperience, chapter_address
from actors.model.advice import ExperienceCard, RemedyOutcome, RemedyTried, Topic
from actors.model.ids import CommunityId, fingerprint
from actors.model.needs import Need
from actors.model.profiles import ThingProfile
from actors.model.things import Purpose, ThingRecord
from actors.runtime.turns import Effect, Tell
from actors.thing.noticing import need_state, use_per_day
from actors.thing.state import NeedState, SlotState, ThingState

_DAY_S = 86400.0


def supply_card(
    community_id: CommunityId,
    record: ThingRecord,
    subject: str,
    former: SlotState,
    slot: SlotState,
    need: NeedState,
) -> ExperienceCard:
    """Return what the piece that just ended was worth; the id is the same however often it is derived."""
    shares_price = Purpose.PRICES in record.shares and need.price_minor is not None
    return ExperienceCard(
        card_id=fingerprint(record.thing_id, subject, str(slot.refills)),
        community_id=community_id,
        topic=Topic.MATERIAL,
        owner_id=record.owner_id,
        subject=subject,
        sku=former.sku,
        lived=slot.last_life or 0.0,
        usage=use_per_day(former) if former.levels else 0.0,
        price_minor=round(need.price_minor / need.pieces) if shares_price and need.price_minor is not None else None,
        currency=need.currency if shares_price else None,
    )


def remedies_told(
    state: ThingState, record: ThingRecord, subject: str, known: NeedState, tried: Sequence[RemedyTried]
) -> list[Effect]:
    """Return what lets peers know what was done about a fault, and whether that helped."""
    if not state.communities or Purpose.REPAIRS not in record.shares:
        return []
    return [_told(state, record, subject, f"{known.episode}.{place}", each) for place, each in enumerate(tried)]


def remedy_taken_back(state: ThingState, record: ThingRecord, need: Need, profile: ThingProfile) -> list[Effect]:
    """Return what takes back that a remedy helped, when the fault is there again soon."""
    known, fault = need_state(state, need.subject), profile.faults.get(need.subject)
    if fault is None or known.helped is None or not state.communities or Purpose.REPAIRS not in record.shares:
        return []
    if need.opened_at.timestamp() - known.helped_at > fault.back_within_days * _DAY_S:
        return []
    back = RemedyTried(remedy=known.helped.remedy, outcome=RemedyOutcome.CAME_BACK)
    return [_told(state, record, need.subject, f"{known.episode}.back", back)]


def _told(state: ThingState, record: ThingRecord, subject: str, place: str, tried: RemedyTried) -> Effect:
    cost = tried.cost if Purpose.PRICES in record.shares else None
    card = ExperienceCard(
        card_id=fingerprint(record.thing_id, subject, "remedy", place),
        community_id=state.communities[0],
        topic=Topic.REMEDY,
        owner_id=record.owner_id,
        subject=subject,
        price_minor=cost.minor if cost else None,
        currency=cost.currency if cost else None,
        tried=RemedyTried(remedy=tried.remedy, outcome=tried.outcome),
    )
    address = chapter_address(state.communities[0], record.thing_id)
    return Tell(address, ShareExperience(thing_id=record.thing_id, card=card))
