"""The things' machine interface: who asks is checked here, what may come of it is the owner's rules' to say."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

import msgspec

from actors.device.inquiring import SearchView
from actors.dialogue import AskPeers, EndRequest, RequestNeed, SearchOffers, device_address, thing_address
from actors.model.advice import Advice, Question
from actors.model.ids import CorrelationId, OrderKey, ThingId
from actors.model.machine import (
    DeclineCode,
    Declined,
    OffersFound,
    RequestEnding,
    RequestTaken,
    ThingOrder,
    Wanted,
)
from actors.model.needs import NeedKind
from actors.model.orders import TERMINAL
from actors.model.profiles import FaultSpec, HealthSpec, PartSpec, SlotSpec
from actors.model.readings import Principal, PrincipalKind
from actors.model.things import ThingRecord
from actors.ports import Clock
from actors.purchasing.view import OrderView
from actors.runtime.contract import AskFailed, Engine
from actors.runtime.journal import JournalUnavailable
from actors.thing.asking import (
    Models,
    chosen_skus,
    health_question,
    kind_of,
    models_for,
    remedy_question,
    spares_question,
    subject_of,
    supply_question,
)
from actors.thing.foretelling import failures_for
from actors.thing.happenings import failure_question
from actors.thing.state import ThingState
from hub.record_watch import RecordWatch
from hub.registry import Registry
from hub.storage.whole import HubJournal

_FEWEST_CYCLES: Final = 5
_ANSWER_S: Final = 10.0
_SEARCH_S: Final = 25.0
_FRESH: Final = timedelta(seconds=30)
"""An answer so young is given again, instead of asking peers and sellers anew."""
_CODES: Final = {
    "busy": DeclineCode.BUSY,
    "storage_down": DeclineCode.STORAGE_DOWN,
    "stopping": DeclineCode.STOPPING,
    "timeout": DeclineCode.LATE,
}
_NO_DISK: Final = Declined(
    code=DeclineCode.STORAGE_DOWN, detail="the hub cannot read its disk", next_step="ask again later", retry_after_s=5.0
)
_ADVICE: Final[Callable[[bytes], Advice]] = msgspec.json.Decoder(Advice).decode
_SEARCH: Final = msgspec.json.Decoder(SearchView).decode
_ORDER: Final = msgspec.json.Decoder(OrderView).decode
_T = TypeVar("_T")
_Asker = tuple[ThingRecord, ThingState]


class MachineDesk:
    """Implements ``MachineInterface`` on the turn engine."""

    def __init__(
        self, engine: Engine, registry: Registry, journal: HubJournal, models: Models, clock: Clock, watch: RecordWatch
    ) -> None:
        self._engine = engine
        self._registry = registry
        self._journal = journal
        self._models = models
        self._clock = clock
        self._records = watch

    # Questions.

    async def ask_peers(self, principal: Principal, subject: str) -> Advice | Declined:
        """Ask the thing's community; see ``MachineInterface.ask_peers``."""
        asker = self._asker(principal)
        if isinstance(asker, Declined):
            return asker
        try:
            return await self._ask_peers(asker, subject)
        except JournalUnavailable:
            return _NO_DISK

    async def advise(self, record: ThingRecord, subject: str) -> Advice | Declined:
        """Ask the community of a thing for its owner."""
        try:
            state: ThingState = self._engine.read(thing_address(record.thing_id))
            return await self._ask_peers((record, state), subject)
        except JournalUnavailable:
            return _NO_DISK

    async def _ask_peers(self, asker: _Asker, subject: str) -> Advice | Declined:
        record, _ = asker
        key, now = f"{record.thing_id}/{subject}", self._clock.now()
        known = self._read("advice", key, _ADVICE)
        if known is not None and now - known.answered_at < _FRESH:
            return known
        return await self._peers_say(self._question(asker, subject, now))

    async def spares(self, record: ThingRecord, features: tuple[float, ...], sku: str) -> Advice | Declined:
        """Ask, through one of its things, how many of a spare part an owner's fleet should keep."""
        chain = CorrelationId(f"{record.thing_id}.spares.asked.{secrets.token_hex(6)}")
        try:
            state: ThingState = self._engine.read(thing_address(record.thing_id))
            return await self._peers_say(spares_question(state, record, features, sku, (chain, self._clock.now())))
        except JournalUnavailable:
            return _NO_DISK

    async def _peers_say(self, question: Question | Declined) -> Advice | Declined:
        if isinstance(question, Declined):
            return question
        key = f"{question.thing_id}/{question.subject}"
        chain = question.correlation_id
        answered: asyncio.Future[Advice] = self._records.wait("advice", key, lambda body: _advice(body, chain))
        return await self._told(device_address(question.thing_id), AskPeers(question=question), answered, _ANSWER_S)

    async def search_offers(self, principal: Principal, wanted: Wanted) -> OffersFound | Declined:
        """Ask the connected sellers; see ``MachineInterface.search_offers``."""
        asker = self._asker(principal)
        if isinstance(asker, Declined):
            return asker
        try:
            return await self._search_offers(asker, wanted)
        except JournalUnavailable:
            return _NO_DISK

    async def _search_offers(self, asker: _Asker, wanted: Wanted) -> OffersFound | Declined:
        record, _ = asker
        search = self._search(asker, wanted)
        if isinstance(search, Declined):
            return search
        known = self._read("search", record.thing_id, _SEARCH)
        if known is not None and isinstance(known.answer, OffersFound) and _is_fresh(known.answer, self._clock.now()):
            if (known.skus, known.quantity, known.answer.subject) == (search.skus, search.quantity, search.subject):
                return known.answer
            return _too_often(known.answer, self._clock.now())
        sought = search.search_id
        found: asyncio.Future[OffersFound | Declined] = self._records.wait(
            "search", record.thing_id, lambda body: _found(body, sought)
        )
        return await self._told(device_address(record.thing_id), search, found, _SEARCH_S)

    # Requests.

    async def request(self, principal: Principal, wanted: Wanted) -> RequestTaken | Declined:
        """Open a need of the thing; see ``MachineInterface.request``."""
        return await self._asked(principal, RequestNeed(wanted=wanted))

    async def end_request(self, principal: Principal, ending: RequestEnding) -> RequestTaken | Declined:
        """Close a need of the thing; see ``MachineInterface.end_request``."""
        return await self._asked(principal, EndRequest(ending=ending))

    def order(self, principal: Principal, key: OrderKey) -> ThingOrder | Declined:
        """Return one of the thing's orders; those of others do not exist for it."""
        asker = self._asker(principal)
        if isinstance(asker, Declined):
            return asker
        record, _ = asker
        try:
            view = self._read("order", key, _ORDER)
        except JournalUnavailable:
            return _NO_DISK
        if view is None or view.thing_id != record.thing_id:
            return Declined(
                code=DeclineCode.UNKNOWN_ORDER, detail=f"this thing has no order {key}", next_step="list its orders"
            )
        return order_of(view)

    def orders(self, principal: Principal) -> Sequence[ThingOrder] | Declined:
        """Return the latest order of each need; see ``MachineInterface.orders``."""
        asker = self._asker(principal)
        if isinstance(asker, Declined):
            return asker
        _, state = asker
        try:
            views = [self._read("order", need.key, _ORDER) for _, need in sorted(state.needs.items()) if need.key]
        except JournalUnavailable:
            return _NO_DISK
        return [order_of(view) for view in views if view is not None]

    def watch_orders(self, thing_id: ThingId, changed: Callable[[ThingOrder], None]) -> Callable[[], None]:
        """Call ``changed`` after each commit that changed an order of this thing; the answer ends that."""
        return self._records.watch_orders(thing_id, lambda view: changed(order_of(view)))

    # Steps.

    def _asker(self, principal: Principal) -> _Asker | Declined:
        """Return the thing that asks: by its own credential, registered and not retired."""
        thing_id = principal.thing_id
        if principal.kind is not PrincipalKind.THING or thing_id is None:
            return Declined(
                code=DeclineCode.FOREIGN_THING,
                detail=f"{principal.name} is no thing; a thing asks for itself, by its own credential",
                next_step="use the thing's own credential",
            )
        try:
            record = self._registry.record(thing_id)
            state: ThingState = self._engine.read(thing_address(thing_id))
        except JournalUnavailable:
            return _NO_DISK
        if record is None or record.retired_at is not None or not state.profile:
            return Declined(
                code=DeclineCode.UNKNOWN_THING,
                detail=f"{thing_id} is not registered",
                next_step="let the owner register it",
            )
        return record, state

    async def _asked(self, principal: Principal, message: RequestNeed | EndRequest) -> RequestTaken | Declined:
        asker = self._asker(principal)
        if isinstance(asker, Declined):
            return asker
        record, _ = asker
        try:
            reply: RequestTaken | Declined = await self._engine.ask(thing_address(record.thing_id), message)
        except AskFailed as failure:
            return _failed(failure)
        return reply

    def _question(self, asker: _Asker, subject: str, now: datetime) -> Question | Declined:
        record, state = asker
        spec = self._spec(record, subject)
        chain = CorrelationId(f"{record.thing_id}.{subject}.asked.{secrets.token_hex(6)}")
        match spec:
            case Declined():
                return spec
            case SlotSpec():
                return supply_question(state, record, subject, spec, (chain, now))
            case HealthSpec():
                component, found = state.components.get(subject), models_for(self._models, state, subject)
                if not found:
                    detail = f"no community of this thing has learned about {subject}"
                    return Declined(code=DeclineCode.NO_COMMUNITY, detail=detail, next_step="ask again another day")
                if component is None or component.cycles < _FEWEST_CYCLES:
                    detail = f"{subject}: expected at least {_FEWEST_CYCLES} reported cycles"
                    return Declined(code=DeclineCode.NO_EVIDENCE, detail=detail, next_step="report more of it first")
                return health_question(state, record, subject, found, (chain, now))
            case PartSpec():
                return self._parts_question(asker, (chain, now))
            case FaultSpec():
                return remedy_question(state, record, subject, (chain, now))

    def _parts_question(self, asker: _Asker, asked: tuple[CorrelationId, datetime]) -> Question | Declined:
        record, state = asker
        thing = self._registry.find(record.thing_id)
        found = failures_for(self._models, state)
        if thing is None or found is None:
            detail = "no community of this thing has learned which part fails next"
            return Declined(code=DeclineCode.NO_COMMUNITY, detail=detail, next_step="ask again another day")
        question = failure_question(state, record, thing.profile, found, asked)
        if question is None:
            detail = "nothing is known of what happened to this thing"
            return Declined(code=DeclineCode.NO_EVIDENCE, detail=detail, next_step="report its events first")
        return question

    def _search(self, asker: _Asker, wanted: Wanted) -> SearchOffers | Declined:
        record, _ = asker
        spec = self._spec(record, wanted.subject)
        if isinstance(spec, Declined):
            return spec
        skus = chosen_skus(spec, wanted)
        if isinstance(skus, Declined):
            return skus
        if not skus:
            detail = f"{wanted.subject} is a fault: nobody offers a price for it"
            return Declined(code=DeclineCode.UNKNOWN_ITEM, detail=detail, next_step="ask for service instead")
        return SearchOffers(
            search_id=f"{record.thing_id}.search.{secrets.token_hex(6)}",
            thing_id=record.thing_id,
            owner_id=record.owner_id,
            subject=wanted.subject,
            kind=kind_of(spec),
            skus=tuple(choice.sku for choice in skus),
            quantity=wanted.quantity or (spec.quantity if isinstance(spec, SlotSpec) else 1),
            country=record.place.country,
            is_test=record.is_test,
        )

    def _spec(self, record: ThingRecord, subject: str) -> SlotSpec | HealthSpec | PartSpec | FaultSpec | Declined:
        thing = self._registry.find(record.thing_id)
        if thing is None:
            detail = f"the profile {record.profile} is gone"
            return Declined(code=DeclineCode.UNKNOWN_THING, detail=detail, next_step="the operator puts it back")
        return subject_of(thing.profile, subject)

    async def _told(
        self, address: str, message: AskPeers | SearchOffers, answer: asyncio.Future[_T], within_s: float
    ) -> _T | Declined:
        """Hand in a question and wait for the record that answers it."""
        try:
            begun = await self._engine.ask(address, message)
            if begun == "busy":
                detail = "a search of this thing is under way"
                return Declined(code=DeclineCode.BUSY, detail=detail, next_step="ask again then", retry_after_s=5.0)
            async with asyncio.timeout(within_s):
                return await answer
        except AskFailed as failure:
            return _failed(failure)
        except TimeoutError:
            detail = f"no answer within {within_s:g} s"
            return Declined(code=DeclineCode.LATE, detail=detail, next_step="ask again", retry_after_s=5.0)
        finally:
            answer.cancel()

    def _read(self, kind: str, key: str, decode: Callable[[bytes], _T]) -> _T | None:
        body = self._journal.record(kind, key)
        return None if body is None else decode(body)


def order_of(view: OrderView) -> ThingOrder:
    """Return an order as its thing may see it."""
    waiting = view.waiting
    return ThingOrder(
        key=view.key,
        thing_id=view.thing_id,
        subject=view.subject,
        kind=NeedKind(view.kind),
        state=view.state,
        code=view.code,
        sentence=view.sentence,
        next_step=view.next_step,
        is_ended=view.state in TERMINAL,
        waits_for=waiting.reason if waiting else "",
        next_try_at=waiting.next_try_at if waiting else None,
        seller=view.seller,
        sku=view.sku,
        quantity=view.quantity,
        total=view.total,
        visit=view.visit,
        changed_at=view.passages[-1].at if view.passages else None,
    )


def _advice(body: bytes, chain: CorrelationId) -> Advice | None:
    advice = _ADVICE(body)
    return advice if advice.correlation_id == chain else None


def _found(body: bytes, search_id: str) -> OffersFound | Declined | None:
    view = _SEARCH(body)
    return view.answer if view.search_id == search_id else None


def _is_fresh(found: OffersFound, now: datetime) -> bool:
    return now - found.found_at < _FRESH


def _too_often(found: OffersFound, now: datetime) -> Declined:
    wait_s = max(1.0, (found.found_at + _FRESH - now).total_seconds())
    detail = "sellers were asked only just before for something else"
    return Declined(code=DeclineCode.TOO_OFTEN, detail=detail, next_step="ask again then", retry_after_s=wait_s)


def _failed(failure: AskFailed) -> Declined:
    code = _CODES.get(failure.code, DeclineCode.INTERNAL)
    retry_after_s = None if code is DeclineCode.INTERNAL else 5.0
    return Declined(
        code=code, detail=f"{failure.code}: {failure.detail}", next_step="ask again later", retry_after_s=retry_after_s
    )
