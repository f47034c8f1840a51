"""Which things and owners a CRM knows already: each is told once for every version of what is known of it."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from actors.dialogue import CustomerIntroduced, IntroductionFailed, ThingIntroduced
from actors.model.customers import Customer, CustomerThing
from actors.model.ids import OwnerId, ThingId, fingerprint


class Introductions(Protocol):
    """What was told to CRMs, durably."""

    def version(self, connection: str, thing_id: ThingId) -> str:
        """Return the version of a thing that this connection's CRM knows; empty for none."""
        ...

    def customer_version(self, connection: str, owner_id: OwnerId) -> str:
        """Return the version of an owner that this connection's CRM knows; empty for none."""
        ...


class NoIntroductions:
    """Nothing was told to anybody."""

    def version(self, connection: str, thing_id: ThingId) -> str:
        """Return that it is unknown."""
        del connection, thing_id
        return ""

    def customer_version(self, connection: str, owner_id: OwnerId) -> str:
        """Return that it is unknown."""
        del connection, owner_id
        return ""


class Introduced:
    """What one desk has told, as long as it lives, before what is durable."""

    def __init__(self, connection: str) -> None:
        self.durable: Introductions = NoIntroductions()
        self._connection = connection
        self._told: dict[ThingId, str] = {}
        self._told_owners: dict[OwnerId, str] = {}
        self.customers: Mapping[OwnerId, Customer] = {}
        """Owners who are told of: the others become known by their id alone, with their first thing or order."""

    def knows(self, thing: CustomerThing) -> bool:
        """Say whether the CRM knows this thing as it is registered now."""
        version = version_of(thing)
        if self._told.get(thing.thing_id) == version:
            return True
        return self.durable.version(self._connection, thing.thing_id) == version

    def add(self, thing: CustomerThing, record_id: str) -> ThingIntroduced:
        """Remember that the CRM knows it now, and return what makes that durable."""
        version = self._told[thing.thing_id] = version_of(thing)
        return ThingIntroduced(
            connection=self._connection,
            owner_id=thing.owner_id,
            thing_id=thing.thing_id,
            version=version,
            record_id=record_id,
        )

    def stranger(self, owner_id: OwnerId) -> Customer | None:
        """Return the owner where they are to be told of, and the CRM does not know them as they are now."""
        customer = self.customers.get(owner_id)
        if customer is None:
            return None
        version = _customer_version(customer)
        known = self._told_owners.get(owner_id) or self.durable.customer_version(self._connection, owner_id)
        return None if known == version else customer

    def add_customer(self, customer: Customer, record_id: str) -> CustomerIntroduced:
        """Remember that the CRM knows them now, and return what makes that durable."""
        owner, version = customer.owner_id, _customer_version(customer)
        self._told_owners[owner] = version
        return CustomerIntroduced(connection=self._connection, owner_id=owner, version=version, record_id=record_id)


def failure_of(attempt: int, outcome: Any) -> IntroductionFailed:
    """Return what the order is told, whose owner or thing the CRM did not take."""
    reason = getattr(outcome, "reason", "") or getattr(outcome, "message", "") or type(outcome).__name__
    return IntroductionFailed(attempt=attempt, reason=reason, retry_after_s=getattr(outcome, "retry_after_s", 0.0))


def version_of(thing: CustomerThing) -> str:
    """Return what stands for everything that a CRM is told of a thing."""
    installed_on = "" if thing.installed_on is None else thing.installed_on.isoformat()
    return fingerprint(thing.owner_id, thing.thing_id, thing.name, thing.serial, thing.product_sku, installed_on)


def _customer_version(customer: Customer) -> str:
    return fingerprint(msgspec.json.encode(customer).decode())
