"""Looks whether an environment has what things need there: everything is read, or taken back."""

from collections.abc import Mapping, Sequence
from typing import Final

from actors.model.outcomes import AuthFailed, Failure, Permanent
from crm_adapters.dynamics.addresses import literal, with_options
from crm_adapters.dynamics.client import DataverseClient
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.definitions import ACTIVE, Definition, definition_of, granted_privileges
from crm_adapters.dynamics.directory import Directory
from crm_adapters.dynamics.rehearsal import Rehearsal
from crm_adapters.dynamics.requirements import (
    ColumnKind,
    NeededColumn,
    NeededTable,
    followed_tables,
    needed_columns,
    needed_tables,
)
from crm_adapters.readiness import Finding, failed, fine, refused_credentials, unsure, wrong

_TEXT: Final = frozenset({"String", "Memo"})
_NUMBER: Final = frozenset({"Decimal", "Double", "Integer", "Money", "BigInt"})
_KINDS: Final = {ColumnKind.TEXT: _TEXT, ColumnKind.DECIMAL: _NUMBER, ColumnKind.WHOLE: _NUMBER}


class Inspector:
    """Checks one environment."""

    def __init__(self, client: DataverseClient, config: DynamicsConfig, directory: Directory) -> None:
        self._client = client
        self._config = config
        self._directory = directory
        self._rehearsal = Rehearsal(client, config, directory)

    async def findings(self) -> Sequence[Finding]:
        """Return every point; where nobody answers, or knows us, there is only one."""
        granted = await granted_privileges(self._client)
        if isinstance(granted, Failure):
            return [_not_admitted(granted)]
        defined: dict[str, Definition] = {}
        findings = [fine("credentials", "the environment knows the application user")]
        for need in needed_tables(self._config):
            definition = await definition_of(self._client, need.name)
            if isinstance(definition, Definition):
                defined[need.name] = definition
                findings.append(_rights(need, definition, granted))
            else:
                findings.append(_missing_table(need, definition))
        for column in needed_columns(self._config):
            findings += column_findings(column, defined)
        findings += [*self._tracking(defined), *await self._names(), *await self._prices()]
        return [*findings, *await self._rehearsal.findings(defined.keys())]

    def _tracking(self, defined: Mapping[str, Definition]) -> list[Finding]:
        if self._config.changes != "delta":
            return []
        untracked = [name for name in followed_tables(self._config) if name in defined and not defined[name].is_tracked]
        return [
            wrong(
                f"change tracking of {name}",
                found="off",
                expected='on, for changes = "delta"',
                remedy='tick Track changes in the table\'s properties, or set changes = "polling"',
            )
            for name in untracked
        ]

    async def _names(self) -> list[Finding]:
        """Look for the rows that the configuration names."""
        asked = {
            f"price list {self._config.price_list}": ("price_list", await self._directory.price_list()),
        }
        if self._config.work_orders:
            for option in ("booking_status", "canceled_booking_status"):
                name = str(getattr(self._config, option))
                asked[f"booking status {name}"] = (option, await self._directory.booking_status(name))
        if self._config.work_orders and self._config.work_order_type:
            about = f"work order type {self._config.work_order_type}"
            asked[about] = ("work_order_type", await self._directory.work_order_type())
        return [
            failed(about, found, expected="an active row of this name", remedy=f"create it, or set {option}")
            if isinstance(found, Failure)
            else fine(about, "there")
            for about, (option, found) in asked.items()
        ]

    async def _prices(self) -> list[Finding]:
        where = f"pricelevelid/name eq {literal(self._config.price_list)} and productid/statecode eq 0"
        rows = await self._client.read_all(with_options("productpricelevels", select="amount", filter=where))
        about, expected = f"prices on {self._config.price_list}", "active products with a price"
        remedy = "add what things may buy to the price list, and publish the products"
        if isinstance(rows, Failure):
            return [failed(about, rows, expected=expected, remedy=remedy)]
        if not rows:
            return [unsure(about, found="none", expected=expected, remedy=remedy)]
        return [fine(about, f"{len(rows)}", expected=expected)]


def column_findings(need: NeededColumn, defined: Mapping[str, Definition]) -> list[Finding]:
    """Return how one column is, and its alternate key."""
    definition = defined.get(need.table)
    if definition is None:
        return []
    kind = definition.columns.get(need.name)
    expected = f"a column of {need.kind or 'any kind'}"
    if kind is None:
        create = "create it (iot2crm crm prepare NAME), or " if need.is_custom else ""
        remedy = f"{create}name another column in [crm.NAME.columns]"
        return [wrong(need.full_name, found="not there", expected=expected, remedy=remedy)]
    if need.kind is not ColumnKind.ANY and kind not in _KINDS[need.kind]:
        remedy = "name a column of that kind in [crm.NAME.columns]"
        return [wrong(need.full_name, found=f"a column of {kind}", expected=expected, remedy=remedy)]
    column = fine(need.full_name, f"a column of {kind}", expected=expected)
    return [column, _key_finding(need, definition)] if need.is_key else [column]


def _key_finding(need: NeededColumn, definition: Definition) -> Finding:
    about, expected = f"alternate key {need.full_name}", "an alternate key whose index is Active"
    status = definition.keys.get(need.name)
    if status == ACTIVE:
        return fine(about, ACTIVE, expected=expected)
    if status is None:
        remedy = f"define a key of {need.name} alone on {need.table} (iot2crm crm prepare NAME)"
        return wrong(about, found="none: a second order would be made", expected=expected, remedy=remedy)
    remedy = "wait until it is built and check again"
    if status == "Failed":
        remedy = f"remove rows of {need.table} with the same {need.name}, then reactivate the key"
    return wrong(about, found=f"its index is {status}", expected=expected, remedy=remedy)


def _not_admitted(failure: Failure) -> Finding:
    if isinstance(failure, AuthFailed):
        return refused_credentials(failure)
    if isinstance(failure, Permanent):
        remedy = "make the app registration an application user of this environment and give it a security role"
        expected = "the environment knows the app as an application user"
        return failed("credentials", failure, expected=expected, remedy=remedy)
    return failed("connection", failure, expected="the environment answers", remedy="see that org_url is right")


def _missing_table(need: NeededTable, failure: Failure | None) -> Finding:
    expected = "the environment has this table"
    remedy = need.otherwise or "install Dynamics 365 Sales"
    if failure is None:
        return wrong(need.name, found="not there", expected=expected, remedy=remedy)
    return failed(need.name, failure, expected=expected, remedy="let the application user read definitions")


def _rights(need: NeededTable, definition: Definition, granted: frozenset[str]) -> Finding:
    expected = "may " + ", ".join(need.privileges)
    missing = [kind for kind in need.privileges if definition.privileges.get(kind) not in granted]
    if not missing:
        return fine(need.name, expected)
    remedy = f"give a security role of the application user {', '.join(missing)} on {need.name} (organization level)"
    return wrong(need.name, found=f"may not {', '.join(missing)}", expected=expected, remedy=remedy)
