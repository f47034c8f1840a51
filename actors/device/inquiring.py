"""What a thing asks by itself: its peers, and what sellers want for something. Nothing is ordered here."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from actors.device.state import (
    DeviceEvent,
    DeviceState,
    PeersAnswered,
    PeersAsked,
    Search,
    SearchBegun,
    SearchEnded,
    SellerHeard,
    SellersAsked,
    evolve,
)
from actors.dialogue import (
    AdviceGiven,
    AskCommunity,
    AskPeers,
    AskPermission,
    DeviceDeadline,
    FindOffers,
    OffersReported,
    PermissionAnswered,
    SearchOffers,
    chapter_address,
    desk_relay,
    device_address,
    owner_address,
)
from actors.model.ids import OrderKey
from actors.model.machine import DeclineCode, Declined, OffersFound
from actors.model.mandates import Verdict
from actors.model.offers import Offer, OfferQuery
from actors.model.outcomes import Offers
from actors.runtime.turns import Effect, Emit, Forget, Put, Remind, Tell

Decided = tuple[tuple[DeviceEvent, ...], tuple[Effect, ...], Any]
_SEARCH: Final = "search"


class InquirySettings(Struct, frozen=True, kw_only=True):
    """What the composition tells device actors. ``sellers`` are the CRM connections that make offers."""

    sellers: tuple[str, ...] = ()
    currency: str = "EUR"
    offers_s: float = 20.0


class SearchView(Struct, frozen=True, kw_only=True):
    """The read model of the kind ``search``; its key is the thing's id."""

    search_id: str
    skus: tuple[str, ...]
    quantity: int
    answer: OffersFound | Declined


def ask_peers(message: AskPeers) -> Decided:
    """Send a question to the community; a newer one of the same subject takes the place of an older."""
    question = message.question
    ask = AskCommunity(question=question, reply_to=device_address(question.thing_id))
    address = chapter_address(question.community_id, question.thing_id)
    return (PeersAsked(question=question),), (Tell(address, ask),), "asked"


def take_advice(state: DeviceState, message: AdviceGiven) -> Decided:
    """Write the community's answer down for the thing."""
    advice = message.advice
    question = state.questions.get(advice.subject)
    if question is None or question.correlation_id != advice.correlation_id:
        return (), (), None
    shown = Put("advice", f"{question.thing_id}/{advice.subject}", question.owner_id, advice)
    return (PeersAnswered(subject=advice.subject),), (shown,), None


def begin_search(state: DeviceState, settings: InquirySettings, message: SearchOffers, now: datetime) -> Decided:
    """Ask the owner's rules first; one search at a time."""
    if state.search is not None:
        return (), (), "busy"
    ask = AskPermission(
        key=OrderKey(message.search_id),
        thing_id=message.thing_id,
        subject=message.subject,
        kind=message.kind,
        is_test=message.is_test,
        sellers=settings.sellers,
        reply_to=device_address(message.thing_id),
    )
    due = now + timedelta(seconds=settings.offers_s)
    effects = (
        Tell(owner_address(message.owner_id), ask),
        Remind(_SEARCH, due, DeviceDeadline(search_id=message.search_id)),
    )
    return (SearchBegun(asked=message),), effects, "begun"


def take_permission(
    state: DeviceState, settings: InquirySettings, message: PermissionAnswered, now: datetime
) -> Decided:
    """Go to the sellers, or stop here with the reason."""
    search = state.search
    if search is None or search.asked.search_id != message.inquiry or search.waiting:
        return (), (), None
    if message.verdict is not Verdict.ALLOWED:
        declined = Declined(
            code=DeclineCode.NOT_PERMITTED,
            detail=f"{message.verdict}: {message.sentence}",
            next_step="the owner changes what the reason names",
        )
        return _ended(search, declined)
    allowed = settings.sellers if message.sellers is None else message.sellers
    sellers = tuple(name for name in settings.sellers if name in allowed)
    asked = SellersAsked(connections=sellers)
    if not sellers:
        events, effects, reply = _ended(search, _found(search, now))
        return (asked, *events), effects, reply
    query = OfferQuery(
        skus=search.asked.skus,
        quantity=search.asked.quantity,
        currency=settings.currency,
        country=search.asked.country,
    )
    return (asked,), tuple(Emit(desk_relay(name), FindOffers(query=query)) for name in sellers), None


def take_offers(state: DeviceState, message: OffersReported, now: datetime) -> Decided:
    """Take one seller's answer; when it was the last, write down what was found."""
    search = state.search
    if search is None or message.connection not in search.waiting:
        return (), (), None
    outcome = message.outcome
    if isinstance(outcome, Offers):
        offers = tuple(offer for offer in outcome.offers if offer.sku in search.asked.skus)
        heard = SellerHeard(connection=message.connection, offers=offers)
    else:
        failure = getattr(outcome, "reason", "") or getattr(outcome, "message", "") or type(outcome).__name__
        heard = SellerHeard(connection=message.connection, failure=failure)
    after = evolve(state, heard).search
    if after is None or after.waiting:
        return (heard,), (), None
    events, effects, reply = _ended(after, _found(after, now))
    return (heard, *events), effects, reply


def expire_search(state: DeviceState, search_id: str, now: datetime) -> Decided:
    """End the search with what came until now."""
    search = state.search
    if search is None or search.asked.search_id != search_id:
        return (), (), None
    return _ended(search, _found(search, now))


def _found(search: Search, now: datetime) -> OffersFound:
    late = dict.fromkeys(search.waiting, "no answer in time")
    return OffersFound(
        subject=search.asked.subject, offers=_ranked(search.offers), silent={**search.silent, **late}, found_at=now
    )


def _ranked(offers: Sequence[Offer]) -> tuple[Offer, ...]:
    """Return offers by landed cost; those of another currency stand apart, as they cannot be compared."""
    return tuple(sorted(offers, key=lambda offer: (offer.landed.currency, offer.landed.minor, offer.sku)))


def _ended(search: Search, answer: OffersFound | Declined) -> Decided:
    asked = search.asked
    view = SearchView(search_id=asked.search_id, skus=asked.skus, quantity=asked.quantity, answer=answer)
    effects: tuple[Effect, ...] = (Forget(_SEARCH), Put("search", asked.thing_id, asked.owner_id, view))
    return (SearchEnded(),), effects, None
