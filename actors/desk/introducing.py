"""Which things a CRM knows already: each is told once for every version of what is registered of it."""

from typing import Any, Protocol

from actors.dialogue import IntroductionFailed, ThingIntroduced
from actors.model.customers import CustomerThing
from actors.model.ids import ThingId, fingerprint


class Introductions(Protocol):
    """What was told to CRMs, durably."""

    def version(self, connection: str, thing_id: ThingId) -> str:
        """Return the version of a thing that this connection's CRM knows; empty for none."""
        ...


class NoIntroductions:
    """Nothing was told to anybody."""

    def version(self, connection: str, thing_id: ThingId) -> str:
        """Return that it is unknown."""
        del connection, thing_id
        return ""


class Introduced:
    """What one desk has told, as long as it lives, before what is durable."""

    def __init__(self, connection: str) -> None:
        self.durable: Introductions = NoIntroductions()
        self._connection = connection
        self._told: dict[ThingId, str] = {}

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


def failure_of(attempt: int, outcome: Any) -> IntroductionFailed:
    """Return what the order is told, whose thing the CRM did not take."""
    reason = getattr(outcome, "reason", "") or getattr(outcome, "message", "") or type(outcome).__name__
    return IntroductionFailed(attempt=attempt, reason=reason, retry_after_s=getattr(outcome, "retry_after_s", 0.0))


def version_of(thing: CustomerThing) -> str:
    """Return what stands for everything that a CRM is told of a thing."""
    installed_on = "" if thing.installed_on is None else thing.installed_on.isoformat()
    return fingerprint(thing.owner_id, thing.thing_id, thing.name, thing.serial, thing.product_sku, installed_on)
