"""Customers and things brought up to date: each a keyed request that changes the row or makes it."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from actors.model.customers import Customer, CustomerThing
from actors.model.ids import OwnerId
from actors.model.outcomes import Ambiguous, Failure, Permanent, Upserted, UpsertOutcome
from crm_adapters.dynamics.addresses import by_key, with_options
from crm_adapters.dynamics.batch import Operation
from crm_adapters.dynamics.client import DataverseClient
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.failures import WireAnswer, failure_of
from crm_adapters.dynamics.mapping import (
    UPDATE_ONLY,
    account_address,
    account_operation,
    address_columns,
    asset_address,
)

_SHOW: Final = {"Prefer": "return=representation"}


class Upserts:
    """Writes accounts, contacts and customer assets of one environment."""

    def __init__(self, client: DataverseClient, config: DynamicsConfig) -> None:
        self._client = client
        self._config = config

    async def customer(self, customer: Customer) -> UpsertOutcome:
        """Write the owner's account, then the person to talk to, who is found by our key."""
        body = {"name": customer.name, "telephone1": customer.contact_phone}
        body |= address_columns("address1_", customer.address)
        path = account_address(customer.owner_id, self._config)
        done = await self._write(path, "accountid", body, {} if self._config.create_accounts else UPDATE_ONLY)
        if not isinstance(done, Upserted) or not customer.has_contact:
            return done
        person = await self._contact(customer)
        return done if isinstance(person, Upserted) else person

    async def thing(self, thing: CustomerThing) -> UpsertOutcome:
        """Write the thing's asset; its owner becomes a customer where they are none."""
        if self._config.create_accounts:
            made = await self._client.write(account_operation(thing.owner_id, self._config))
            if not isinstance(made, WireAnswer):
                return made
            if not made.ok and not made.is_duplicate:
                return failure_of(made, writes=True) or Ambiguous(reason=made.message)
        path = asset_address(thing.thing_id, self._config)
        return await self._write(path, "msdyn_customerassetid", _asset_body(thing, self._config), {})

    async def _contact(self, customer: Customer) -> UpsertOutcome:
        first, _, last = customer.contact_name.rpartition(" ")
        account = account_address(customer.owner_id, self._config)
        body = {
            "firstname": first,
            "lastname": last,
            "emailaddress1": customer.contact_email,
            "telephone1": customer.contact_phone,
            f"{self._config.navigation.contact_account}@odata.bind": f"/{account}",
        }
        path = by_key("contacts", self._config.columns.key, person_key(customer.owner_id))
        return await self._write(path, "contactid", body, {})

    async def _write(
        self, path: str, id_column: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> UpsertOutcome:
        known = {name: value for name, value in body.items() if value not in {None, ""}}
        operation = Operation(
            method="PATCH", path=with_options(path, select=id_column), body=known, headers={**_SHOW, **headers}
        )
        return _upserted(await self._client.write(operation), id_column)


def person_key(owner: OwnerId) -> str:
    """Return the key of the contact that we keep up to date at an owner's account."""
    digest = hashlib.sha256(f"{owner}\x1fcontact".encode()).digest()
    return "I2P" + base64.b32encode(digest).decode()[:26]


def _asset_body(thing: CustomerThing, config: DynamicsConfig) -> dict[str, Any]:
    name = thing.name or (f"{thing.thing_id} ({thing.serial})" if thing.serial else thing.thing_id)
    body: dict[str, Any] = {
        "msdyn_name": name[:100],
        "msdyn_deviceid": thing.thing_id,
        f"{config.navigation.asset_account}@odata.bind": f"/{account_address(thing.owner_id, config)}",
        **config.extra.get("msdyn_customerasset", {}),
    }
    if thing.product_sku:
        product = by_key("products", "productnumber", thing.product_sku)
        body[f"{config.navigation.asset_product}@odata.bind"] = f"/{product}"
    if thing.installed_on and config.columns.installed_on:
        body[config.columns.installed_on] = f"{thing.installed_on.isoformat()}T00:00:00Z"
    return body


def _upserted(answer: WireAnswer | Failure, id_column: str) -> UpsertOutcome:
    if not isinstance(answer, WireAnswer):
        return answer
    if answer.is_absent:
        return Permanent(code="unknown_customer", message=answer.message)
    failure = failure_of(answer, writes=True)
    if failure is not None:
        return failure
    match answer.body:
        case {**row} if id_column in row:
            return Upserted(record_id=str(row[id_column]), created=answer.status == 201)
        case _:
            return Ambiguous(reason=f"accepted with {answer.status}, and no {id_column} in the answer")
