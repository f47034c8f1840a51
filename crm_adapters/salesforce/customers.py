"""Owners as accounts and things as assets: found once, remembered, and made with the first request that needs them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from actors.model.ids import OwnerId, ThingId
from actors.model.orders import Request
from actors.model.outcomes import Failure, Permanent
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.mapping import (
    ACCOUNT,
    ASSET,
    Part,
    Parties,
    account_part,
    asset_part,
    reference_to,
    thing_key,
)
from crm_adapters.salesforce.soql import select, text
from crm_adapters.salesforce.wire import Wire


class Introduction(Struct, frozen=True, kw_only=True):
    """Who asks, and the requests that make them known where they are not: part of the same transaction."""

    parties: Parties
    parts: tuple[Part, ...] = ()


class Customers:
    """The customers of one connection."""

    def __init__(self, wire: Wire, config: SalesforceConfig) -> None:
        self._wire = wire
        self._config = config
        self._accounts: dict[OwnerId, str] = {}
        self._assets: dict[tuple[OwnerId, ThingId], str] = {}
        self._locks: dict[OwnerId, asyncio.Lock] = {}

    @asynccontextmanager
    async def introducing(self, request: Request, *, with_asset: bool) -> AsyncGenerator[Introduction | Failure, None]:
        """Say who asks; while somebody unknown is being made, other requests of the same owner wait."""
        known = self._known(request, with_asset=with_asset)
        if known is not None:
            yield known
            return
        async with self.alone(request.owner_id):
            yield self._known(request, with_asset=with_asset) or await self._introduce(request, with_asset=with_asset)

    def alone(self, owner: OwnerId) -> asyncio.Lock:
        """Return the lock under which customers and things of this owner are made."""
        return self._locks.setdefault(owner, asyncio.Lock())

    async def account(self, owner: OwnerId) -> str | Failure | None:
        """Return the id of an owner's account."""
        field = self._config.fields.account
        rows = await self._wire.query(select(("Id",), "Account", (f"{field} = {text(owner)}",), "CreatedDate, Id"))
        if not isinstance(rows, list):
            return rows
        if len(rows) > 1:
            said = f"{len(rows)} accounts have {field} = {owner!r}; expected one"
            return Permanent(code="ACCOUNT_NOT_UNIQUE", message=said, field=field)
        return str(rows[0]["Id"]) if rows else None

    async def asset(self, owner: OwnerId, thing: ThingId, serial: str, account_id: str | None) -> str | Failure | None:
        """Return the id of a thing's asset: by our key, else by its serial number among the account's assets."""
        rows = await self._wire.query(self._asset_query(thing_key(owner, thing), serial, account_id))
        if not isinstance(rows, list):
            return rows
        best = [row for row in rows if row[self._config.fields.key] == thing_key(owner, thing)] or rows
        if len(best) > 1:
            said = f"{len(best)} assets of the account have the serial number {serial!r}; expected one"
            return Permanent(code="ASSET_NOT_UNIQUE", message=said, field="SerialNumber")
        return str(best[0]["Id"]) if best else None

    def stranger(self, owner: OwnerId) -> Permanent:
        """Return the refusal of somebody who is no customer, where customers are a person's task."""
        field = self._config.fields.account
        said = f"no account has {field} = {owner!r}, and create_accounts is off"
        return Permanent(code="UNKNOWN_CUSTOMER", message=said, field=field)

    def remember(self, request: Request, bodies: Mapping[str, Any]) -> None:
        """Keep the ids of those whom a transaction made."""
        if ACCOUNT in bodies:
            self._accounts[request.owner_id] = str(bodies[ACCOUNT]["id"])
        if ASSET in bodies:
            self._assets[request.owner_id, request.thing_id] = str(bodies[ASSET]["id"])

    def forget(self, request: Request) -> None:
        """Look these customers up anew next time."""
        self._accounts.pop(request.owner_id, None)
        self._assets.pop((request.owner_id, request.thing_id), None)

    def _known(self, request: Request, *, with_asset: bool) -> Introduction | None:
        account = self._accounts.get(request.owner_id)
        asset = self._assets.get((request.owner_id, request.thing_id))
        if account is None or (with_asset and asset is None):
            return None
        return Introduction(parties=Parties(account_id=account, asset_id=asset if with_asset else None))

    async def _introduce(self, request: Request, *, with_asset: bool) -> Introduction | Failure:
        account = self._accounts.get(request.owner_id) or await self._account(request)
        if isinstance(account, Failure):
            return account
        account_id = reference_to(ACCOUNT) if isinstance(account, Part) else account
        introduced = (account,) if isinstance(account, Part) else ()
        if not with_asset:
            return Introduction(parties=Parties(account_id=account_id), parts=introduced)
        asset = await self._asset(request, None if introduced else account_id)
        if isinstance(asset, Failure):
            return asset
        if asset is None and self._config.create_assets:
            made = (*introduced, asset_part(request, account_id, self._config))
            return Introduction(parties=Parties(account_id=account_id, asset_id=reference_to(ASSET)), parts=made)
        return Introduction(parties=Parties(account_id=account_id, asset_id=asset), parts=introduced)

    async def _account(self, request: Request) -> str | Part | Failure:
        """Return the id of the owner's account, or the request that makes it."""
        found = await self.account(request.owner_id)
        if isinstance(found, str):
            self._accounts[request.owner_id] = found
        if found is not None:
            return found
        if not self._config.create_accounts:
            return self.stranger(request.owner_id)
        return account_part(request.owner_id, self._config)

    async def _asset(self, request: Request, account_id: str | None) -> str | Failure | None:
        found = await self.asset(request.owner_id, request.thing_id, request.thing_serial, account_id)
        if isinstance(found, str):
            self._assets[request.owner_id, request.thing_id] = found
        return found

    def _asset_query(self, own_key: str, serial: str, account_id: str | None) -> str:
        key = self._config.fields.key
        by_key = f"{key} = {text(own_key)}"
        if account_id is None or not serial:
            return select(("Id", key), "Asset", (by_key,))
        by_serial = f"(AccountId = {text(account_id)} AND SerialNumber = {text(serial)})"
        return select(("Id", key), "Asset", (f"({by_key} OR {by_serial})",))
