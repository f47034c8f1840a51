"""An order and a call for help, each made twice in a changeset that cannot succeed: what ordering would meet.

A changeset is undone as a whole when one of its requests fails, and the last one always does.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from actors.model.orders import RecordKind
from actors.model.outcomes import Failure
from crm_adapters.dynamics.addresses import by_id, by_key, literal, with_options
from crm_adapters.dynamics.batch import Operation
from crm_adapters.dynamics.client import DataverseClient, Written
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.directory import Directory
from crm_adapters.dynamics.failures import WireAnswer
from crm_adapters.dynamics.mapping import CREATE_ONLY, SUBMITTED, UPDATE_ONLY
from crm_adapters.dynamics.records import RecordTable, keyed_read, table_of
from crm_adapters.readiness import NOBODYS, Finding, failed, fine, unsure, wrong

Body = dict[str, Any]
_NO_ROW: Final = "00000000-0000-0000-0000-000000000000"
_NO_SUCH_ROW: Final = "0x80040217"
_MADE_ACCOUNT: Final = "$1"
_PRICE: Final = "_productid_value,_pricelevelid_value,_uomid_value,_transactioncurrencyid_value"


class Rehearsal:
    """Tries what placing does, and leaves nothing behind."""

    def __init__(self, client: DataverseClient, config: DynamicsConfig, directory: Directory) -> None:
        self._client = client
        self._config = config
        self._directory = directory

    async def findings(self, tables: Collection[str]) -> list[Finding]:
        """Return what became of it; only tables that the environment has are tried."""
        findings: list[Finding] = []
        account = await self._account()
        for kind in (RecordKind.ORDER, RecordKind.SERVICE):
            table = table_of(kind, self._config)
            if table.logical_name not in tables:
                continue
            operations = account if not isinstance(account, tuple) else await self._operations(table, *account)
            if isinstance(operations, Finding):
                findings.append(operations)
            elif isinstance(operations, Failure):
                findings.append(_untried(table, operations))
            else:
                reading = keyed_read(table, NOBODYS, self._config)
                findings.append(self._judged(table, await self._client.write_and_read((), operations, reading)))
        return findings

    async def _account(self) -> tuple[list[Operation], str] | Failure:
        """Return the request that makes a customer and how the next ones name it, or a customer that is there."""
        if self._config.create_accounts:
            return [
                Operation(method="POST", path="accounts", body={"name": "a check of the connection"})
            ], _MADE_ACCOUNT
        rows = await self._client.read_all(with_options("accounts", select="accountid", top="1"))
        if isinstance(rows, Failure):
            return rows
        return [], f"/accounts({rows[0]['accountid']})" if rows else ""

    async def _operations(
        self, table: RecordTable, made: list[Operation], account: str
    ) -> list[Operation] | Failure | Finding:
        body = await (self._order(account) if table.kind is RecordKind.ORDER else self._service(account))
        if not isinstance(body, dict):
            return body
        sold: Mapping[str, Any] | None = body.pop("sold", None)
        return [*made, *self._twice(table, {**body, **self._config.extra.get(table.logical_name, {})}, sold)]

    async def _order(self, account: str) -> Body | Failure | Finding:
        """Return the body of an order with what it sells under ``sold``."""
        where = f"pricelevelid/name eq {literal(self._config.price_list)} and productid/statecode eq 0"
        rows = await self._client.read_all(with_options("productpricelevels", select=_PRICE, filter=where, top="1"))
        if isinstance(rows, Failure):
            return rows
        if not rows:
            remedy = "add what things may buy to the price list, and check again"
            return unsure("salesorder, made once", found="no price to try it with", expected="an order", remedy=remedy)
        price = rows[0]
        sold = {
            "productid@odata.bind": f"/products({price['_productid_value']})",
            "uomid@odata.bind": f"/uoms({price['_uomid_value']})",
            "quantity": 1,
            **self._config.extra.get("salesorderdetail", {}),
        }
        return {
            "name": "a check of the connection; it is taken back",
            f"{self._config.navigation.customer}@odata.bind": account,
            "pricelevelid@odata.bind": f"/pricelevels({price['_pricelevelid_value']})",
            "transactioncurrencyid@odata.bind": f"/transactioncurrencies({price['_transactioncurrencyid_value']})",
            "sold": sold,
        }

    async def _service(self, account: str) -> Body | Failure:
        names = self._config.navigation
        title = "a check of the connection; it is taken back"
        if not self._config.work_orders:
            return {"title": title, f"{names.customer}@odata.bind": account}
        price_list, kind = await self._directory.price_list(), await self._directory.work_order_type()
        for failure in (price_list, kind):
            if isinstance(failure, Failure):
                return failure
        return {
            "msdyn_workordersummary": title,
            "msdyn_systemstatus": 690970000,
            "msdyn_taxable": False,
            f"{names.service_account}@odata.bind": account,
            f"{names.service_price_list}@odata.bind": f"/pricelevels({price_list})",
            **({f"{names.work_order_type}@odata.bind": f"/msdyn_workordertypes({kind})"} if kind else {}),
        }

    def _twice(self, table: RecordTable, body: Body, sold: Mapping[str, Any] | None) -> list[Operation]:
        """Return a record made, sold and submitted, the same record made again, and a request that cannot succeed."""
        path = by_key(table.entity_set, self._config.columns.key, NOBODYS)
        between: list[Operation] = []
        if sold is not None:
            line = {"salesorderid@odata.bind": f"/{path}", self._config.columns.key: f"{NOBODYS}-1", **sold}
            between.append(Operation(method="POST", path="salesorderdetails", body=line))
        if sold is not None and self._config.submit_orders:
            between.append(Operation(method="PATCH", path=path, body=SUBMITTED, headers=UPDATE_ONLY))
        return [
            Operation(method="PATCH", path=path, body=body, headers=CREATE_ONLY),
            *between,
            Operation(method="PATCH", path=path, body=body, headers=CREATE_ONLY),
            Operation(method="PATCH", path=by_id(table.entity_set, _NO_ROW), body={}, headers=UPDATE_ONLY),
        ]

    def _judged(self, table: RecordTable, answer: Written | Failure) -> Finding:
        about, key = f"{table.logical_name}, made once", self._config.columns.key
        expected = f"a second one with the same {key} is refused (tried and taken back)"
        if isinstance(answer, Failure):
            remedy = "see that the application user may use the Web API"
            return failed(about, answer, expected=expected, remedy=remedy)
        if answer.reading is not None and answer.reading.ok:
            remedy = f"delete the record {NOBODYS}: the environment does not undo a changeset that failed"
            return wrong(about, found="what was tried is still there", expected=expected, remedy=remedy)
        error = answer.error
        if error is not None and error.is_duplicate:
            return fine(about, "the second one was refused", expected=expected)
        if error is None or error.code == _NO_SUCH_ROW:
            remedy = f"define an alternate key of {key} alone on {table.logical_name} (iot2crm crm prepare NAME)"
            return wrong(
                about, found="the second one was taken: it would be ordered twice", expected=expected, remedy=remedy
            )
        return _refused(about, error, expected)


def _refused(about: str, error: WireAnswer, expected: str) -> Finding:
    remedy = (
        "let the application user do it (AppendTo on the tables it refers to counts, too), define what is missing, and"
        " give columns that the environment itself requires fixed values in [crm.NAME.extra.TABLE]"
    )
    return wrong(about, found=f"refused: {error.code} {error.message}", expected=expected, remedy=remedy)


def _untried(table: RecordTable, failure: Failure) -> Finding:
    remedy = "let the application user read accounts, price lists and work order types"
    return failed(f"{table.logical_name}, made once", failure, expected="it can be tried", remedy=remedy)
