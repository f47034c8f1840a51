"""One order on its way through the world, up to the state that a test is about."""

from typing import Any

from fake_crm import offer, time_slot
from firm import INSTALLATION, OWNER, PRINTER, granted, raised, settings
from world import World

from actors.dialogue import (
    BookTime,
    FindOffers,
    OrderProgressed,
    PlaceRequest,
    RaiseNeed,
    SearchTimes,
    TakeTurn,
    order_address,
    owner_address,
)
from actors.model.ids import OrderKey
from actors.model.needs import NeedKind
from actors.model.orders import OrderState, RecordKind
from actors.model.outcomes import Capabilities, Created, CrmRecord, Offers, RecordStatus, TimeSlots
from actors.purchasing.choosing import key_of
from actors.purchasing.state import OrderData

OWNER_ADDRESS = owner_address(OWNER)
OFFER = offer()
SHOP = Capabilities(appointments=True, cancel=True)


class Buying:
    """One need and its order, at one connection, ``shop``."""

    def __init__(self, need: RaiseNeed | None = None, *, mandate: Any = None, **changed: Any) -> None:
        self.world = World(settings(**changed))
        self.need = need or raised()
        self.key = key_of(INSTALLATION, self.need.need)
        self.address = order_address(self.key)
        self.world.send(OWNER_ADDRESS, mandate or granted())

    @property
    def data(self) -> OrderData:
        """What the order's actor knows."""
        data: OrderData = self.world.state(self.address)
        return data

    @property
    def state(self) -> OrderState:
        """Where the order stands."""
        return self.data.state

    def used(self) -> int:
        """Return the cents reserved or spent, which owner and meter must agree on."""
        owner = self.world.state(OWNER_ADDRESS)
        assert {name: minor for name, minor in owner.used.items() if minor} == {
            name: minor for name, minor in self.world.meters.items() if minor
        }
        return sum(owner.used.values())

    def thing_heard(self) -> OrderState | None:
        """Return the state of the order that its thing was told last: with an end, the next need may open."""
        told = [message.state for _, message in self.world.told if isinstance(message, OrderProgressed)]
        return told[-1] if told else None

    def tell(self, message: Any) -> Any:
        """Send the order a message and let everything follow."""
        return self.world.send(self.address, message)

    def record(self, key: OrderKey | None = None, **changes: Any) -> CrmRecord:
        """Return our record as the CRM would."""
        request = self.data.request
        told = {
            "record_id": "OR-1",
            "kind": RecordKind.SERVICE if self.need.need.kind is NeedKind.SERVICE else RecordKind.ORDER,
            "key": key or self.key,
            "fingerprint": request.fingerprint if request else None,
            "status": RecordStatus.CONFIRMED,
        }
        return CrmRecord(**(told | changes))

    def created(self, **changes: Any) -> Created:
        """Return the usual answer to placing."""
        return Created(record=self.record(**changes))

    def raised(self) -> "Buying":
        """Bring it to DRAFTED: the sellers are asked."""
        self.tell(self.need)
        return self

    def approved(self, *offers: Any) -> "Buying":
        """Bring it to APPROVED (or where the mandate leads): waiting for its turn."""
        self.raised()
        if self.need.need.kind is not NeedKind.SERVICE:
            self.world.answer(FindOffers, Offers(offers=offers or (OFFER,)))
        return self

    def placing(self, *offers: Any) -> "Buying":
        """Bring it to PLACING: the request is at the desk."""
        self.approved(*offers)
        self.world.answer(TakeTurn)
        return self

    def placed(self) -> "Buying":
        """Bring it to PLACED: the CRM holds it as a draft (or a case without a visit)."""
        self.placing()
        self.world.answer(PlaceRequest, self.created(status=RecordStatus.OPEN))
        return self

    def confirmed(self) -> "Buying":
        """Bring it to CONFIRMED."""
        self.placing()
        self.world.answer(PlaceRequest, self.created())
        return self

    def booking(self) -> "Buying":
        """Bring a service request to the moment at which its booking is at the desk."""
        self.placed()
        self.world.answer(SearchTimes, TimeSlots(slots=(time_slot(0), time_slot(1))))
        self.world.answer(TakeTurn)
        return self

    def writes(self) -> int:
        """Return how many writes are at the desk."""
        return sum(isinstance(job.body, PlaceRequest | BookTime) for job in self.world.jobs)


def service(**changed: Any) -> Buying:
    """Return a need for service."""
    return Buying(raised(NeedKind.SERVICE), **changed)


__all__ = ["INSTALLATION", "OFFER", "OWNER_ADDRESS", "PRINTER", "SHOP", "Buying", "service"]
