"""Ports: what the inside asks of the outside. Adapters implement them; ``hub`` joins both."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from random import Random
from typing import Any, Protocol

from msgspec import Struct

from actors.model.advice import Advice
from actors.model.commands import CommandFailure, CommandOutcome, NotCarried, ThingCommand
from actors.model.customers import Customer, CustomerThing
from actors.model.ids import CommandId, OrderKey, OwnerId, ThingId
from actors.model.machine import Declined, OffersFound, RequestEnding, RequestTaken, ThingOrder, Wanted
from actors.model.offers import OfferQuery
from actors.model.orders import (
    AppointmentBooking,
    AppointmentMove,
    AppointmentQuery,
    PurchaseOrder,
    RecordKind,
    ReturnRequest,
    ServiceRequest,
)
from actors.model.outcomes import (
    Capabilities,
    ChangesOutcome,
    FindOutcome,
    HeardOutcome,
    OffersOutcome,
    Permanent,
    PlaceOutcome,
    TimeSlotsOutcome,
    Unsupported,
    UpsertOutcome,
)
from actors.model.profiles import ThingProfile
from actors.model.readings import DeviceMessage, Principal, Receipt


class Clock(Protocol):
    """Time, passed in so that rules can be replayed and simulated."""

    def now(self) -> datetime:
        """Return the present, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...


class ReadingSink(Protocol):
    """Where protocol adapters hand in what things tell."""

    def accept(self, principal: Principal, message: DeviceMessage, done: Callable[[Receipt], None]) -> None:
        """Hand in one device message; never blocks and never raises for what the message holds.

        ``done`` is called exactly once, on the event loop, perhaps before ``accept`` returns: with ``Stored`` after the
        message is committed to disk, or with ``Refused`` when nothing of it is kept. Messages of one thing are taken
        in the order of the calls. Names and units are checked against the thing's profile here: an adapter passes on
        what it decoded, in the unit the device named (or the profile's when it named none: ``unit=None``).
        """
        ...


class ConnectedThing(Struct, frozen=True, kw_only=True, gc=False):
    """A registered thing as a protocol adapter sees it. ``options`` are the connection's own."""

    thing_id: ThingId
    owner_id: OwnerId
    profile: ThingProfile
    options: Mapping[str, str]
    serial: str = ""


class ThingDirectory(Protocol):
    """Which things are registered, as far as adapters must know.

    What is asked for often is in memory, the rest is read from the hub's disk at once: ``find`` a thing when it speaks,
    and ask for all of them only to connect to each.
    """

    def connected_by(self, protocol: str, among: Collection[ThingId] | None = None) -> Sequence[ConnectedThing]:
        """Return the things, neither retired nor unknown, that are connected by this protocol, ordered by id.

        Of those ``among`` some ids where they are named: what is left of them after a change.
        """
        ...

    def find(self, thing_id: ThingId) -> ConnectedThing | None:
        """Return a thing that is registered and not retired."""
        ...

    def on_change(self, changed: Callable[[Sequence[ThingId]], None]) -> Callable[[], None]:
        """Call ``changed`` after each commit that registered, changed or retired things, with their ids.

        Once a commit, however many things it holds: an import of thousands comes in a few calls. The answer ends that.
        """
        ...


class Authenticator(Protocol):
    """Turns credentials into principals."""

    def by_bearer(self, token: str) -> Principal | None:
        """Return who holds this bearer token; None when nobody does. Takes the same time either way."""
        ...


class MachineInterface(Protocol):
    """What a thing may do here by itself, whatever protocol it speaks.

    Every method takes the principal that the thing's own credential proved and answers ``Declined`` to anybody else;
    none raises for what is asked. What is asked for goes through the same rules of the owner as the needs that the hub
    notices: nothing here can buy what the mandate does not allow. Asking twice is safe: one subject has one open order.
    """

    async def ask_peers(self, principal: Principal, subject: str) -> Advice | Declined:
        """Ask the thing's community about a slot (what lasts longest) or a component (how long it will last)."""
        ...

    async def search_offers(self, principal: Principal, wanted: Wanted) -> OffersFound | Declined:
        """Ask the connected sellers what it costs; one search at a time, and not too often."""
        ...

    async def request(self, principal: Principal, wanted: Wanted) -> RequestTaken | Declined:
        """Order a supply or a part, or call for service. Answered when the need is on disk, long before its end."""
        ...

    async def end_request(self, principal: Principal, ending: RequestEnding) -> RequestTaken | Declined:
        """Say that a need is met, or not wanted any more."""
        ...

    def order(self, principal: Principal, key: OrderKey) -> ThingOrder | Declined:
        """Return one of the thing's orders."""
        ...

    def orders(self, principal: Principal) -> Sequence[ThingOrder] | Declined:
        """Return the latest order of each of the thing's needs, by subject."""
        ...

    def watch_orders(self, thing_id: ThingId, changed: Callable[[ThingOrder], None]) -> Callable[[], None]:
        """Call ``changed`` after each commit that changed an order of this thing; the answer ends that.

        It is called on the event loop. Who may watch is the adapter's to check: only the thing itself.
        """
        ...


class AdapterStore(Protocol):
    """An adapter's own small records, such as registrations of devices or counters of security contexts.

    They outlive the process and a power cut. What is true about things, orders and money is not kept here.
    """

    def all(self, kind: str) -> Mapping[str, bytes]:
        """Return the records of a kind by key, read from disk: for the start."""
        ...

    async def keep(self, kind: str, key: str, body: bytes) -> None:
        """Write a record, or write it anew; it is on disk when this returns.

        Raises:
            StoreDown: It is not.
        """
        ...

    async def forget(self, kind: str, key: str) -> None:
        """Remove a record, if there is one.

        Raises:
            StoreDown: It may be there still.
        """
        ...


class ProtocolDeps(Struct, frozen=True, kw_only=True):
    """What the hub gives a protocol adapter."""

    sink: ReadingSink
    machine: MachineInterface
    store: AdapterStore
    things: ThingDirectory
    authenticator: Authenticator
    clock: Clock
    chance: Random


class LinkStatus(Struct, frozen=True, kw_only=True):
    """How one link is doing, for people: ``state`` is ``up``, ``connecting`` or ``down``."""

    name: str
    state: str
    since: datetime
    reason: str = ""


class ProtocolAdapter(Protocol):
    """A running protocol adapter. It starts in its ``open`` context and has stopped when the context ends."""

    @property
    def http_routes(self) -> Sequence[Any]:
        """Route definitions of aiohttp for the hub's one HTTP application; empty for adapters with own sockets."""
        ...

    @property
    def urls(self) -> Sequence[str]:
        """Addresses this adapter listens at, ready for a person to use."""
        ...

    def links(self) -> Sequence[LinkStatus]:
        """Return the state of every link the adapter keeps."""
        ...

    def counters(self) -> Mapping[str, int]:
        """Return counts since start: ``accepted``, ``refused``, ``malformed`` and what else the adapter counts."""
        ...

    async def carry_out(self, thing: ConnectedThing, command: ThingCommand, *, again: bool) -> CommandOutcome:
        """Bring a command to a thing that this adapter connects, and return how the thing acknowledged it.

        Never raises for what the thing or its link does. Wait as long as it takes: the hub cancels at the command's
        deadline and calls it late. ``again``: a former process may have sent it already. An adapter whose things know a
        command by its id, or a write that only repeats a value, is simply sent again; where acting twice would be
        wrong it answers ``NotCarried(DOUBTFUL)``. Several commands for one thing may be under way at once.
        """
        ...

    def recall(self, command_id: CommandId) -> bool:
        """Take back a command that waits here and has not left: its ``carry_out`` ends with ``NotCarried(RECALLED)``.

        It can be taken back from the first step of ``carry_out`` on. False where it is not known, or may have left: it
        stays under way then. Asks nobody, and never waits.
        """
        ...


class RefusesCommands:
    """What an adapter inherits that has no way back to its things."""

    async def carry_out(self, thing: ConnectedThing, command: ThingCommand, *, again: bool) -> CommandOutcome:
        """Refuse."""
        del command, again
        detail = f"the connection of {thing.thing_id} has no way to bring it a command"
        return NotCarried(code=CommandFailure.UNSUPPORTED, detail=detail)

    def recall(self, command_id: CommandId) -> bool:
        """Nothing waits here."""
        del command_id
        return False


class ThingForms(Struct, frozen=True, kw_only=True):
    """How a thing is reached by a protocol, as forms of its W3C Thing Description, by property, action and event.

    ``prefixes`` are those of the terms that the forms use. The security is the protocol's own.
    """

    prefixes: Mapping[str, str] = {}
    properties: Mapping[str, Sequence[Mapping[str, Any]]] = {}
    actions: Mapping[str, Sequence[Mapping[str, Any]]] = {}
    events: Mapping[str, Sequence[Mapping[str, Any]]] = {}


def no_forms(config: Any, thing: ConnectedThing, host: str) -> ThingForms:
    """Tell nothing: the thing is reached through the hub alone."""
    del config, thing, host
    return ThingForms()


class ProtocolSpec(Struct, frozen=True, kw_only=True):
    """How an adapter enters: an entry point of the group ``iot2crm.protocols`` names one of these.

    ``forms`` says how others reach a thing by this protocol; ``host`` is what the asker calls the hub. Pure.
    """

    name: str
    title: str
    config_type: type[Struct]
    open: Callable[[Any, ProtocolDeps], AbstractAsyncContextManager[ProtocolAdapter]]
    forms: Callable[[Any, ConnectedThing, str], ThingForms] = no_forms
    stability: str = "beta"


class Webhook(Struct, frozen=True, kw_only=True):
    """A message that a CRM sent by itself; header names are lower case."""

    headers: Mapping[str, str]
    query: Mapping[str, str] = {}
    body: bytes


class CrmAdapter(Protocol):
    """One CRM. Every method returns an outcome for whatever the CRM does; it raises only on configuration faults.

    Placing is create-only under ``key``: calling twice makes one record and answers ``Duplicate`` the second time. No
    method retries by itself, except one replay after refreshing an expired token.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this adapter can do with this CRM."""
        ...

    async def find_offers(self, query: OfferQuery) -> OffersOutcome:
        """Return offers with landed cost, those that the CRM itself would honour when ordered now."""
        ...

    async def place_order(self, order: PurchaseOrder) -> PlaceOutcome:
        """Create the order with its lines in one transaction and activate it."""
        ...

    async def request_service(self, request: ServiceRequest) -> PlaceOutcome:
        """Create a case or work order."""
        ...

    async def search_appointments(self, query: AppointmentQuery) -> TimeSlotsOutcome:
        """Return free times for the work, earliest first."""
        ...

    async def book_appointment(self, booking: AppointmentBooking) -> PlaceOutcome:
        """Book one time for a service request, once."""
        ...

    async def find_by_key(self, key: OrderKey, kind: RecordKind) -> FindOutcome:
        """Look up what we placed under this key."""
        ...

    async def cancel(self, key: OrderKey, kind: RecordKind, reason: str) -> FindOutcome:
        """Cancel a record and return it as it stands then."""
        ...

    async def changes_since(self, cursor: str) -> ChangesOutcome:
        """Return our records that changed since ``cursor`` ("" at first)."""
        ...

    async def move_appointment(self, move: AppointmentMove) -> FindOutcome:
        """Move an appointment to another free time and return it as it stands then."""
        ...

    async def request_return(self, request: ReturnRequest) -> PlaceOutcome:
        """Announce that goods of an order go back."""
        ...

    async def upsert_customer(self, customer: Customer) -> UpsertOutcome:
        """Make an owner a customer, or bring the customer up to date."""
        ...

    async def upsert_thing(self, thing: CustomerThing) -> UpsertOutcome:
        """Make a thing its owner's asset, or bring the asset up to date; the owner becomes a customer if need be."""
        ...

    def doubt_webhook(self, message: Webhook) -> Permanent | None:
        """Return why a message is not the CRM's; None where it proves that it is. Asks nobody, and never waits."""
        ...

    async def take_webhook(self, message: Webhook) -> HeardOutcome:
        """Check who sent a message, and read again what it is about; ``Permanent`` where it is not the CRM's."""
        ...


class RefusesExtras:
    """What an adapter inherits to refuse, before anything is sent, the abilities that it does not declare."""

    async def move_appointment(self, move: AppointmentMove) -> FindOutcome:
        """Refuse."""
        del move
        return Unsupported(capability="moves")

    async def request_return(self, request: ReturnRequest) -> PlaceOutcome:
        """Refuse."""
        del request
        return Unsupported(capability="returns")

    async def upsert_customer(self, customer: Customer) -> UpsertOutcome:
        """Refuse."""
        del customer
        return Unsupported(capability="customers")

    async def upsert_thing(self, thing: CustomerThing) -> UpsertOutcome:
        """Refuse."""
        del thing
        return Unsupported(capability="customers")

    def doubt_webhook(self, message: Webhook) -> Permanent | None:
        """Leave it to ``take_webhook``."""
        del message
        return None

    async def take_webhook(self, message: Webhook) -> HeardOutcome:
        """Refuse."""
        del message
        return Unsupported(capability="webhooks")


class CrmDeps(Struct, frozen=True, kw_only=True):
    """What the hub gives a CRM adapter. ``connection`` is the name the operator gave it."""

    connection: str
    clock: Clock
    chance: Random


class CrmSpec(Struct, frozen=True, kw_only=True):
    """How a CRM adapter enters: an entry point of the group ``iot2crm.crm_adapters`` names one of these."""

    name: str
    title: str
    config_type: type[Struct]
    open: Callable[[Any, CrmDeps], AbstractAsyncContextManager[CrmAdapter]]
    stability: str = "beta"
