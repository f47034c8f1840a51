"""Customers and things brought up to date: found as requests find them, changed, or made where they are unknown."""

from typing import Any
from urllib.parse import quote

from actors.model.customers import Customer, CustomerThing
from actors.model.outcomes import Ambiguous, Failure, Permanent, Upserted, UpsertOutcome
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.customers import Customers
from crm_adapters.salesforce.mapping import address_fields, person_key, thing_key
from crm_adapters.salesforce.soql import select, text
from crm_adapters.salesforce.wire import Wire


class Upserts:
    """Writes accounts, contacts and assets of one organisation."""

    def __init__(self, wire: Wire, config: SalesforceConfig, customers: Customers) -> None:
        self._wire = wire
        self._config = config
        self._customers = customers

    async def customer(self, customer: Customer) -> UpsertOutcome:
        """Write the owner's account, then the person to talk to, who is found by our key."""
        async with self._customers.alone(customer.owner_id):
            done = await self._account(customer)
            if not isinstance(done, Upserted) or not customer.has_contact:
                return done
            written = await self._contact(customer, done.record_id)
            return done if isinstance(written, Upserted) else written

    async def thing(self, thing: CustomerThing) -> UpsertOutcome:
        """Write the thing's asset; its owner becomes a customer where they are none."""
        async with self._customers.alone(thing.owner_id):
            account = await self._owner_of(thing)
            if not isinstance(account, str):
                return account
            known = await self._customers.asset(thing.owner_id, thing.thing_id, thing.serial, account)
            if isinstance(known, Failure):
                return known
            body = await self._asset_body(thing, account, is_new=known is None)
            return body if isinstance(body, Failure) else await self._write("Asset", known, body)

    async def _owner_of(self, thing: CustomerThing) -> str | Failure:
        found = await self._customers.account(thing.owner_id)
        if found is not None:
            return found
        made = await self._account(Customer(owner_id=thing.owner_id, name=thing.owner_id))
        return made.record_id if isinstance(made, Upserted) else made

    async def _account(self, customer: Customer) -> UpsertOutcome:
        found = await self._customers.account(customer.owner_id)
        if isinstance(found, Failure):
            return found
        if found is None and not self._config.create_accounts:
            return self._customers.stranger(customer.owner_id)
        body: dict[str, Any] = {"Name": customer.name, **address_fields("Billing", customer.address)}
        if customer.contact_phone:
            body["Phone"] = customer.contact_phone
        if found is None:
            body[self._config.fields.account] = customer.owner_id
        return await self._write("Account", found, body)

    async def _contact(self, customer: Customer, account_id: str) -> UpsertOutcome:
        first, _, last = customer.contact_name.rpartition(" ")
        body = {"AccountId": account_id, "FirstName": first, "LastName": last}
        body |= {"Email": customer.contact_email, "Phone": customer.contact_phone}
        kept = {name: value for name, value in body.items() if value}
        key = quote(person_key(customer.owner_id), safe="")
        return _upserted(
            await self._wire.send("PATCH", f"/sobjects/Contact/{self._config.fields.key}/{key}", writes=True, body=kept)
        )

    async def _asset_body(self, thing: CustomerThing, account_id: str, *, is_new: bool) -> dict[str, Any] | Failure:
        body: dict[str, Any] = {
            "Name": thing.name or (thing.thing_id if is_new else ""),
            "AccountId": account_id,
            "SerialNumber": thing.serial,
            "InstallDate": thing.installed_on.isoformat() if thing.installed_on else "",
            self._config.fields.key: thing_key(thing.owner_id, thing.thing_id),
        }
        if thing.product_sku:
            product = await self._product(thing.product_sku)
            if not isinstance(product, str):
                return product
            body["Product2Id"] = product
        return {name: value for name, value in body.items() if value}

    async def _product(self, sku: str) -> str | Failure:
        field = self._config.fields.sku
        rows = await self._wire.query(select(("Id",), "Product2", (f"{field} = {text(sku)}",), "CreatedDate, Id"))
        if not isinstance(rows, list):
            return rows
        if not rows:
            return Permanent(code="UNKNOWN_PRODUCT", message=f"no product has {field} = {sku!r}", field=field)
        return str(rows[0]["Id"])

    async def _write(self, name: str, record_id: str | None, body: dict[str, Any]) -> UpsertOutcome:
        if record_id is None:
            return _upserted(await self._wire.send("POST", f"/sobjects/{name}", writes=True, body=body))
        path = f"/sobjects/{name}/{quote(record_id, safe='')}"
        answer = await self._wire.send("PATCH", path, writes=True, body=body)
        return answer if isinstance(answer, Failure) else Upserted(record_id=record_id, created=False)


def _upserted(answer: Any) -> UpsertOutcome:
    match answer:
        case {"id": str(record_id), "success": True, **more}:
            return Upserted(record_id=record_id, created=bool(more.get("created", True)))
        case _ if isinstance(answer, Failure):
            return answer
        case _:
            return Ambiguous(reason="Salesforce's answer names no record")
