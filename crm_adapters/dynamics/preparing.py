"""Makes what an environment needs: columns and alternate keys.

Source: Dataverse Web API guide, "Create and update column definitions" and "Define alternate keys".
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from crm_adapters.dynamics.batch import Operation
from crm_adapters.dynamics.client import DataverseClient
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.dynamics.definitions import ACTIVE, Definition, definition_of, definition_path
from crm_adapters.dynamics.failures import WireAnswer, failure_of
from crm_adapters.dynamics.requirements import KEY_LENGTH, ColumnKind, NeededColumn, needed_columns
from crm_adapters.proving import Preview, said_of
from crm_adapters.readiness import Step, StepState

_CRM: Final = "Microsoft.Dynamics.CRM"
_TYPES: Final[dict[ColumnKind, dict[str, Any]]] = {
    ColumnKind.TEXT: {
        "@odata.type": f"{_CRM}.StringAttributeMetadata",
        "MaxLength": KEY_LENGTH,
        "FormatName": {"Value": "Text"},
    },
    ColumnKind.DECIMAL: {
        "@odata.type": f"{_CRM}.DecimalAttributeMetadata",
        "MinValue": 0,
        "MaxValue": 1_000_000,
        "Precision": 2,
    },
    ColumnKind.WHOLE: {
        "@odata.type": f"{_CRM}.IntegerAttributeMetadata",
        "MinValue": 0,
        "MaxValue": 2_147_483_647,
        "Format": "None",
    },
}


class Preparer:
    """Prepares one environment; what is there already is left as it is."""

    def __init__(self, client: DataverseClient, config: DynamicsConfig) -> None:
        self._client = client
        self._config = config

    def preparation(self) -> list[Step]:
        """Return all that an environment without any of it needs; nothing is sent."""
        needs = needed_columns(self._config)
        columns = [self._step(need.full_name, _column_operation(need)) for need in needs if _can_add(need)]
        keys = [self._step(_key_name(need), _key_operation(need)) for need in needs if need.is_key]
        return [*columns, *keys, *_by_hand(self._config)]

    async def prepare(self) -> list[Step]:
        """Make what is missing, and say what became of each step."""
        steps: list[Step] = []
        for table in dict.fromkeys(need.table for need in needed_columns(self._config)):
            steps += await self._table(table, [need for need in needed_columns(self._config) if need.table == table])
        return [*steps, *_by_hand(self._config)]

    async def _table(self, table: str, needs: list[NeededColumn]) -> list[Step]:
        before = await definition_of(self._client, table)
        if not isinstance(before, Definition):
            said = "the environment has no such table" if before is None else said_of(before)
            return [Step(about=table, state=StepState.FAILED, said=f"{said}; see iot2crm crm check NAME")]
        columns = [await self._column(need, before) for need in needs if _can_add(need)]
        keys = [await self._key(need, before) for need in needs if need.is_key]
        return [*columns, *await self._told(table, needs, keys)]

    async def _column(self, need: NeededColumn, before: Definition) -> Step:
        step = self._step(need.full_name, _column_operation(need))
        if need.name in before.columns:
            return replace(step, state=StepState.THERE, requests=())
        return await self._made(step, _column_operation(need))

    async def _key(self, need: NeededColumn, before: Definition) -> Step:
        step = self._step(_key_name(need), _key_operation(need))
        if need.name in before.keys:
            return replace(step, state=StepState.THERE, said=f"its index is {before.keys[need.name]}", requests=())
        return await self._made(step, _key_operation(need))

    async def _told(self, table: str, needs: list[NeededColumn], keys: list[Step]) -> list[Step]:
        """Return the steps with how far the indexes of new keys are: the environment builds them afterwards."""
        if all(step.state is not StepState.MADE for step in keys):
            return keys
        after = await definition_of(self._client, table)
        known: Mapping[str, str] = after.keys if isinstance(after, Definition) else {}
        statuses = {_key_name(need): known.get(need.name, "unknown") for need in needs}
        return [
            replace(step, said=f"its index is {statuses[step.about]}{_wait(statuses[step.about])}")
            if step.state is StepState.MADE
            else step
            for step in keys
        ]

    async def _made(self, step: Step, operation: Operation) -> Step:
        answer = await self._client.write(operation)
        failure = failure_of(answer, writes=True) if isinstance(answer, WireAnswer) else answer
        if failure is None:
            return replace(step, state=StepState.MADE)
        said = f"{said_of(failure)}; it takes the role System Customizer (see --print)"
        return replace(step, state=StepState.FAILED, said=said)

    def _step(self, about: str, operation: Operation) -> Step:
        url = self._config.root + operation.path
        request = Preview(step=about, method=operation.method, url=url, body=dict(operation.body or {}))
        return Step(about=about, state=StepState.WANTED, requests=(request,))


def _can_add(need: NeededColumn) -> bool:
    return need.is_custom and need.kind is not ColumnKind.ANY


def _key_name(need: NeededColumn) -> str:
    return f"alternate key {need.full_name}"


def _column_operation(need: NeededColumn) -> Operation:
    body = {**_TYPES[need.kind], "SchemaName": need.name, "DisplayName": _label(need.name)}
    body["RequiredLevel"] = {"Value": "None", "CanBeChanged": True}
    return Operation(method="POST", path=f"{definition_path(need.table)}/Attributes", body=body)


def _key_operation(need: NeededColumn) -> Operation:
    prefix = "" if need.is_custom else "new_"
    body = {"SchemaName": f"{prefix}{need.name}key", "KeyAttributes": [need.name], "DisplayName": _label(need.name)}
    return Operation(method="POST", path=f"{definition_path(need.table)}/Keys", body=body)


def _label(text: str) -> Mapping[str, Any]:
    label = {"@odata.type": f"{_CRM}.LocalizedLabel", "Label": text, "LanguageCode": 1033}
    return {"@odata.type": f"{_CRM}.Label", "LocalizedLabels": [label]}


def _wait(status: str) -> str:
    return "" if status == ACTIVE else "; wait until it is Active, then check"


def _by_hand(config: DynamicsConfig) -> list[Step]:
    """Return what a person does in the admin centre."""
    told = {
        "application user": "give it a security role for the tables that iot2crm crm check NAME lists",
        f"account.{config.columns.account}": "make it longer than 20 characters where owners' ids are",
        f"price list {config.price_list}": "create it in each currency, and price what things may buy",
    }
    if config.work_orders and config.work_order_type:
        told[f"work order type {config.work_order_type}"] = "create it in Field Service"
    if config.changes == "delta":
        told["change tracking"] = "tick Track changes for the tables that are followed"
    return [Step(about=about, state=StepState.BY_HAND, said=said) for about, said in told.items()]
