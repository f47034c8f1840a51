"""From a need to a reserved offer: ask the community, ask the sellers, ask the mandate."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from msgspec import Struct

from actors.dialogue import (
    AskCommunity,
    AskPermission,
    AskReservation,
    Candidate,
    FindOffers,
    OffersReported,
    PermissionAnswered,
    RaiseNeed,
    ReservationAnswered,
    chapter_address,
    order_address,
)
from actors.model.advice import Advice, Question, Topic, Wider
from actors.model.ids import InstallationId, MandateId
from actors.model.mandates import Verdict
from actors.model.needs import NeedKind
from actors.model.offers import Offer, OfferQuery
from actors.model.orders import OrderState, Request
from actors.model.outcomes import Capabilities, Offers
from actors.purchasing import ladder
from actors.purchasing.choosing import (
    above_peers,
    candidates_of,
    purchase_order,
    qualified,
    rank_offers,
    service_request,
)
from actors.purchasing.events import (
    AdviceTaken,
    LadderSet,
    MandateAnswered,
    MandateAsked,
    NeedRaised,
    PermissionAsked,
    SellerAnswered,
    SellersAsked,
)
from actors.purchasing.turn import Turn, doubled

_DEPENDS_ON_OFFERS: Final = frozenset(
    {
        Verdict.PAYEE_NOT_ALLOWED,
        Verdict.ITEM_NOT_ALLOWED,
        Verdict.WRONG_CURRENCY,
        Verdict.OVER_ORDER_LIMIT,
        Verdict.OVER_BUDGET,
    }
)


SWITCHED_OFF: Final = frozenset({Verdict.THING_OFF, Verdict.ALL_OFF})
PRICED_AGAIN: Final = frozenset({"offer_expired", "price_old"})
"""Why an order whose turn had come went back to the sellers; afterwards it is the first in line."""


OVERDUE_AFTER_DAYS: Final = 7.0


class PurchasingSettings(Struct, frozen=True, kw_only=True):
    """What the composition tells the orders. ``connections`` are the CRM connections with what they can do.

    Waits that end in ``again_s`` double with every round up to ``longest_again_s``.
    """

    installation: InstallationId
    connections: dict[str, Capabilities]
    currency: str = "EUR"
    introduces_things: frozenset[str] = frozenset()
    """Connections whose CRM is told of a thing before its first order, where it keeps customers' things."""
    advice_s: float = 5.0
    offers_s: float = 20.0
    source_again_s: float = 30.0
    place_again_s: float = 0.5
    longest_again_s: float = 3600.0
    price_holds_s: float = 6 * 3600.0
    """A price that is older when the order's turn comes is asked for again, and judged again by the mandate."""
    blocked_s: float = 3600.0
    """A blocked order asks again so often: a new period brings a new budget, and limits pass."""
    status_s: float = 60.0
    """How often an order that is placed and not yet confirmed is looked up."""
    heard_status_s: float = 900.0
    """The same at a CRM that tells what changed: only for what is told while nobody listens."""
    confirmed_status_s: float = 3600.0
    """How often a confirmed order is looked up at a CRM that does not tell what changed."""
    delivery_days: float = 14.0
    """How long a delivery is counted with of which the offer says nothing."""
    overdue_after_days: float = OVERDUE_AFTER_DAYS
    """So long after it should be there a confirmed order goes to a person, where nothing says that it is fulfilled."""
    times_s: float = 1800.0
    expiry_days: float = 14.0
    visit_within_days: float = 14.0
    booking_rounds: int = 3


def begin(turn: Turn, settings: PurchasingSettings, order: RaiseNeed, fixed_first: Callable[[Turn], bool]) -> None:
    """Take the need in; ask the community about supplies and about faults that can be met in more than one way.

    ``fixed_first`` says whether something cheaper is tried before sellers are asked.
    """
    if turn.data.order is not None:
        return
    turn.happen(NeedRaised(order=order))
    need = order.need
    turn.note("need", need.reason, kind=need.kind, subject=need.subject, thing=need.thing_id, evidence=need.evidence)
    turn.remind("expiry", settings.expiry_days * 86400)
    if order.advice is not None:
        take_advice(turn, settings, order.advice, fixed_first)
    elif order.community_id is not None and (need.kind is NeedKind.SUPPLY or ladder.has_steps(need)):
        _ask_community(turn, order)
        turn.remind("advice", settings.advice_s)
    elif not fixed_first(turn):
        source(turn, settings)


def take_advice(
    turn: Turn, settings: PurchasingSettings, advice: Advice | None, fixed_first: Callable[[Turn], bool]
) -> None:
    """Take the community's word, or its silence, and go on: to the steps for a fault, else to the sellers."""
    if turn.data.state is not OrderState.DRAFTED or turn.data.advised:
        return
    turn.forget("advice")
    turn.happen(AdviceTaken(advice=advice))
    if advice is None:
        turn.note("advice", "the community did not answer in time; going on without it")
    else:
        facts = {"advice": advice, "peers": getattr(advice, "evidence", None)}
        turn.note("advice", advice.sentence, **facts)
    if ladder.has_steps(turn.order.need):
        _set_ladder(turn, ladder.decide(turn.order.need, advice))
    if not fixed_first(turn):
        source(turn, settings)


def _set_ladder(turn: Turn, steps: ladder.Ladder) -> None:
    turn.happen(LadderSet(need=steps.need, usual=steps.usual))
    turn.note("ladder", steps.sentence, kind=steps.need.kind, work=steps.need.work, fix=steps.need.remote_fix)


def _back_to_usual(turn: Turn, settings: PurchasingSettings, why: str) -> bool:
    """Do what is usual where the step that peers speak for cannot be had; says whether there is such a way back."""
    usual = turn.data.usual
    if usual is None:
        return False
    turn.happen(LadderSet(need=usual))
    turn.note("ladder", f"back to the usual work ({usual.work}): {why}", kind=usual.kind, work=usual.work)
    source(turn, settings)
    return True


def source(turn: Turn, settings: PurchasingSettings) -> None:
    """Find a way to meet the need: by offers, or for service by any CRM that takes requests.

    The owner's rules are asked first: for a thing that is switched off no seller hears anything.
    """
    need = turn.order.need
    if need.kind is NeedKind.SERVICE:
        _source_service(turn, settings)
        return
    turn.forget("source_again")
    turn.happen(PermissionAsked())
    ask = AskPermission(
        key=turn.key,
        thing_id=need.thing_id,
        subject=need.subject,
        kind=need.kind,
        is_test=turn.order.is_test,
        sellers=_sellers(settings),
    )
    turn.tell_owner(ask)


def take_permission(turn: Turn, settings: PurchasingSettings, answer: PermissionAnswered) -> None:
    """Go to the sellers, or stop here with the reason."""
    if turn.data.state is not OrderState.DRAFTED or not turn.data.asking:
        return
    if answer.verdict is Verdict.ALLOWED:
        _ask_sellers(turn, settings, answer.sellers)
        return
    turn.happen(MandateAnswered(verdict=answer.verdict))
    turn.note("mandate", answer.sentence, verdict=answer.verdict)
    block(turn, settings, answer.verdict, answer.sentence)


def _sellers(settings: PurchasingSettings) -> tuple[str, ...]:
    return tuple(name for name, can in settings.connections.items() if can.offers and can.orders)


def _ask_sellers(turn: Turn, settings: PurchasingSettings, allowed: tuple[str, ...] | None) -> None:
    """Ask every connection that could meet the need, and that the owner lets hear of it (all where nothing is said)."""
    need = turn.order.need
    able = _sellers(settings)
    sellers = able if allowed is None else tuple(name for name in able if name in allowed)
    if left_out := [name for name in able if name not in sellers]:
        turn.note("offers", f"not asked, no mandate names them: {', '.join(left_out)}", not_asked=left_out)
    turn.happen(SellersAsked(connections=sellers))
    query = OfferQuery(
        skus=tuple(choice.sku for choice in need.skus),
        quantity=need.quantity,
        currency=settings.currency,
        country=turn.order.place.country,
    )
    for name in sellers:
        turn.work(name, FindOffers(query=query))
    if sellers:
        turn.remind("offers", settings.offers_s)
    else:
        choose(turn, settings)


def _source_service(turn: Turn, settings: PurchasingSettings) -> None:
    candidates = _service_candidates(settings)
    if candidates:
        _ask_mandate(turn, candidates)
        return
    turn.happen(SellersAsked(connections=()))
    _wait_for_sellers(turn, settings, "no connected CRM takes service requests")


def take_offers(turn: Turn, settings: PurchasingSettings, report: OffersReported) -> None:
    """Take one seller's answer; when it was the last, choose."""
    if turn.data.state is not OrderState.DRAFTED or report.connection not in turn.data.asked_sellers:
        return
    outcome = report.outcome
    if isinstance(outcome, Offers):
        turn.happen(SellerAnswered(connection=report.connection, offers=outcome.offers))
        turn.note("offers", _offers_sentence(report.connection, outcome.offers), offers=outcome.offers)
    else:
        failure = getattr(outcome, "reason", "") or getattr(outcome, "message", "") or type(outcome).__name__
        turn.happen(SellerAnswered(connection=report.connection, failure=failure))
        turn.note("offers", f"{report.connection} made no offer: {failure}", outcome=outcome)
    if not turn.data.asked_sellers:
        choose(turn, settings)


def choose(turn: Turn, settings: PurchasingSettings) -> None:
    """Rank what was offered and ask the mandate; with nothing offered, wait and ask again."""
    turn.forget("offers")
    ranked = rank_offers(turn.data.offers, turn.data.advice, turn.order.need)
    if ranked:
        best = ranked[0]
        turn.note(
            "choice",
            _choice_sentence(best, len(ranked)) + above_peers(best, turn.data.advice),
            best=best,
            others=[qualified(offer) + above_peers(offer, turn.data.advice) for offer in ranked[1:]],
        )
        _ask_mandate(turn, candidates_of(ranked))
        return
    silent = {**turn.data.silent_sellers, **dict.fromkeys(turn.data.asked_sellers, "no answer in time")}
    told = _silence(silent) or "no connected seller has the item"
    if not _back_to_usual(turn, settings, f"no offer: {told}"):
        _wait_for_sellers(turn, settings, f"no offer: {told}")


def _wait_for_sellers(turn: Turn, settings: PurchasingSettings, reason: str) -> None:
    wait_s = doubled(settings.source_again_s, turn.data.sourcing_rounds, cap_s=settings.longest_again_s)
    turn.remind("source_again", wait_s)
    turn.pause(reason, turn.now + timedelta(seconds=wait_s))


def take_reservation(turn: Turn, settings: PurchasingSettings, answer: ReservationAnswered) -> None:
    """Take the mandate's word: go on, ask a person, or stop here with the reason."""
    if turn.data.state is not OrderState.DRAFTED or not turn.data.judging:
        return
    if answer.mandate_id is None:
        turn.happen(MandateAnswered(verdict=answer.verdict))
        turn.note("mandate", answer.sentence, verdict=answer.verdict, refusals=answer.refusals)
        _block_by_offers(turn, settings, answer)
        return
    found = _request(turn, settings, answer.offer_id, answer.mandate_id)
    if found is None:
        return
    connection, offer, request = found
    turn.happen(
        MandateAnswered(
            verdict=answer.verdict,
            mandate_id=answer.mandate_id,
            offer=offer,
            connection=connection,
            request=request,
        )
    )
    turn.note("mandate", answer.sentence, verdict=answer.verdict, mandate=answer.mandate_id, refusals=answer.refusals)
    if not turn.data.approved_by and (why := _why_approval(settings, answer.verdict, connection)):
        sentence = f"{_what(turn)} waits for the owner's approval ({why}): {turn.order.need.reason}"
        turn.move(OrderState.AWAITING_APPROVAL, "needs_approval", sentence, "approve or reject it")
        return
    queue(turn, "inside_mandate", "inside the mandate; waits for its turn at the CRM")


def block(turn: Turn, settings: PurchasingSettings, verdict: Verdict, sentence: str) -> None:
    """Stop with a reason; tried again when the owner changes something, and from time to time."""
    if verdict not in SWITCHED_OFF and _back_to_usual(turn, settings, sentence):
        return
    turn.move(OrderState.BLOCKED, verdict, sentence, "change what the reason names; the order is then tried again")
    turn.remind("blocked", settings.blocked_s)


def _block_by_offers(turn: Turn, settings: PurchasingSettings, answer: ReservationAnswered) -> None:
    """Stop; where a seller that was not heard might have the offer that is allowed, say so and ask again soon."""
    silent = turn.data.silent_sellers
    block(turn, settings, answer.verdict, answer.sentence)
    if turn.data.state is not OrderState.BLOCKED or not silent or answer.verdict not in _DEPENDS_ON_OFFERS:
        return
    own_s = doubled(settings.source_again_s, turn.data.sourcing_rounds, cap_s=settings.longest_again_s)
    wait_s = min(settings.blocked_s, own_s)
    turn.remind("blocked", wait_s)
    turn.pause(f"not heard: {_silence(silent)}", turn.now + timedelta(seconds=wait_s))


def _silence(silent: dict[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in silent.items())


def queue(turn: Turn, code: str, sentence: str, after_s: float = 0.0) -> None:
    """Wait for the desk: it gives the turn when its CRM can be used."""
    first = bool(turn.data.passages) and turn.data.passages[-1].code in PRICED_AGAIN
    turn.move(OrderState.APPROVED, code, sentence)
    turn.stand_in_line(code, after_s, first=first)


def _ask_community(turn: Turn, order: RaiseNeed) -> None:
    need = order.need
    assert order.community_id is not None  # noqa: S101 - checked by the caller
    features = (need.evidence["use_per_day"],) if "use_per_day" in need.evidence else ()
    question = Question(
        correlation_id=need.correlation_id,
        community_id=order.community_id,
        topic=Topic.MATERIAL if need.kind is NeedKind.SUPPLY else Topic.REMEDY,
        thing_id=need.thing_id,
        owner_id=need.owner_id,
        subject=need.subject,
        features=features,
        skus=tuple(choice.sku for choice in need.skus),
        asked_at=turn.now,
        wider=tuple(Wider(community_id=each, features=features) for each in order.wider),
    )
    ask = AskCommunity(question=question, reply_to=order_address(turn.key))
    turn.tell(chapter_address(order.community_id, need.thing_id), ask)


def _ask_mandate(turn: Turn, candidates: tuple[Candidate, ...]) -> None:
    need = turn.order.need
    ask = AskReservation(
        key=turn.key,
        thing_id=need.thing_id,
        subject=need.subject,
        kind=need.kind,
        candidates=candidates,
        is_test=turn.order.is_test,
    )
    turn.happen(MandateAsked())
    turn.forget("source_again")
    turn.tell_owner(ask)


def _service_candidates(settings: PurchasingSettings) -> tuple[Candidate, ...]:
    able = sorted(settings.connections.items(), key=lambda item: not item[1].appointments)
    return tuple(Candidate(offer_id=name, connection=name, sku="", amount=None) for name, can in able if can.service)


def _request(
    turn: Turn, settings: PurchasingSettings, offer_id: str, mandate_id: MandateId
) -> tuple[str, Offer | None, Request] | None:
    """Return what is ordered, and where; None for an offer that is not the order's."""
    order, installation = turn.order, settings.installation
    if order.need.kind is NeedKind.SERVICE:
        return offer_id, None, service_request(turn.key, installation, order, mandate_id, turn.now)
    offer = next((offer for offer in turn.data.offers if qualified(offer) == offer_id), None)
    if offer is None:
        return None
    return offer.connection, offer, purchase_order(turn.key, installation, order, offer, mandate_id, turn.now)


def _offers_sentence(connection: str, offers: tuple[Offer, ...]) -> str:
    if not offers:
        return f"{connection} does not sell it"
    told = ", ".join(f"{offer.sku} for {offer.landed}" for offer in offers)
    return f"{connection} offers {told}, delivered"


def _choice_sentence(best: Offer, count: int) -> str:
    off = f", {best.discounts[0].title}" if best.discounts else ""
    return f"best of {count}: {best.sku} from {best.seller} for {best.landed} delivered{off}"


def _why_approval(settings: PurchasingSettings, verdict: Verdict, connection: str) -> str:
    """Return why a person must confirm, or nothing. A CRM that proves nothing gets no order without one."""
    if verdict is Verdict.NEEDS_APPROVAL:
        return "the mandate wants it"
    can = settings.connections.get(connection)
    if can is not None and not can.unique_key and not can.search_by_key:
        return f"{connection} can neither refuse nor find a second order, so a person confirms each"
    return ""


def _what(turn: Turn) -> str:
    offer = turn.data.offer
    return f"{offer.sku} for {offer.landed}" if offer else turn.order.need.title
