"""What an environment is known to hold: customers and things that were introduced, and ids found by name."""

from collections.abc import Sequence

from msgspec import Struct

from actors.model.orders import ServiceRequest
from actors.model.outcomes import Failure, Permanent
from crm_adapters.dynamics.addresses import literal, with_options
from crm_adapters.dynamics.batch import Operation
from crm_adapters.dynamics.client import DataverseClient, understood
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.failures import WireAnswer
from crm_adapters.dynamics.mapping import account_operation, asset_operation


class Introduction(Struct, frozen=True, kw_only=True):
    """What is sent along before a record, because the record refers to it. ``known`` counts what was left out."""

    operations: tuple[Operation, ...] = ()
    known: int = 0


class Introductions:
    """Which customers and assets surely exist, so that they are not sent along again."""

    def __init__(self, config: DynamicsConfig) -> None:
        self._config = config
        self._known: set[str] = set()

    def of_owner(self, owner: str) -> Introduction:
        """Return what creates the owner's account; nothing where accounts are a person's task."""
        return self._unknown([account_operation(owner, self._config)] if self._config.create_accounts else [])

    def of_thing(self, request: ServiceRequest) -> Introduction:
        """Return what creates the thing's asset and its owner's account."""
        account = [account_operation(request.owner_id, self._config)] if self._config.create_accounts else []
        asset = [asset_operation(request, self._config)] if self._config.work_orders else []
        return self._unknown([*account, *asset])

    def learn(self, introduction: Introduction, answers: Sequence[WireAnswer]) -> None:
        """Remember what was created, and what had been there already."""
        pairs = zip(introduction.operations, answers, strict=False)
        self._known.update(operation.path for operation, answer in pairs if answer.ok or answer.is_duplicate)

    def forget(self) -> None:
        """Forget everything, after something known turned out to be gone."""
        self._known.clear()

    def _unknown(self, operations: list[Operation]) -> Introduction:
        unknown = tuple(operation for operation in operations if operation.path not in self._known)
        return Introduction(operations=unknown, known=len(operations) - len(unknown))


class Directory:
    """Finds ids by name and keeps them. What its methods return as ``str`` is an id."""

    def __init__(self, client: DataverseClient, config: DynamicsConfig) -> None:
        self._client = client
        self._config = config
        self._ids: dict[tuple[str, str], str] = {}

    async def price_list(self) -> str | Failure:
        """Return the machines' price list."""
        return await self._named("pricelevels", "pricelevelid", "name", self._config.price_list)

    async def work_order_type(self) -> str | Failure:
        """Return the configured type of work orders, "" where none is configured."""
        name = self._config.work_order_type
        if not name:
            return ""
        return await self._named("msdyn_workordertypes", "msdyn_workordertypeid", "msdyn_name", name)

    async def booking_status(self, name: str) -> str | Failure:
        """Return a booking status by its name."""
        return await self._named("bookingstatuses", "bookingstatusid", "name", name)

    async def _named(self, entity_set: str, id_column: str, column: str, name: str) -> str | Failure:
        known = self._ids.get((entity_set, name))
        if known is not None:
            return known
        wanted = f"{column} eq {literal(name)} and statecode eq 0"
        rows = await self._client.read_all(with_options(entity_set, select=id_column, filter=wanted, top="1"))
        if not isinstance(rows, list):
            return rows
        if not rows:
            message = f"{entity_set} has no active row with {column} {name!r}"
            return Permanent(code="unknown_reference", message=message, field=column)
        found = understood(lambda: str(rows[0][id_column]))
        if isinstance(found, str):
            self._ids[(entity_set, name)] = found
        return found
