"""Owners and things as a CRM knows them: who the customer is, and what they have."""

from datetime import date

from actors.model.base import Value
from actors.model.ids import OwnerId, ThingId
from actors.model.things import Place


class Customer(Value, frozen=True, kw_only=True):
    """An owner as a company's customer. What is empty is left as the CRM has it."""

    owner_id: OwnerId
    name: str
    address: Place = Place()
    contact_name: str = ""
    contact_email: str = ""
    contact_phone: str = ""

    @property
    def has_contact(self) -> bool:
        """Say whether a person is named."""
        return bool(self.contact_name)


class CustomerThing(Value, frozen=True, kw_only=True):
    """A thing as what a customer has: an asset, never a contact. What is empty is left as the CRM has it."""

    owner_id: OwnerId
    thing_id: ThingId
    name: str = ""
    serial: str = ""
    product_sku: str = ""
    installed_on: date | None = None
