"""What a server is to tell of an item, and what not (Part 4 section 7.22)."""

from typing import Any, Final

from protocols.opcua.alarms import BASE_EVENT, CLAUSES, Clause
from protocols.opcua.sources import Trigger, Watching
from protocols.opcua.stack import ua

_TRIGGERS: Final = {
    Trigger.STATUS: ua.DataChangeTrigger.Status,
    Trigger.VALUE: ua.DataChangeTrigger.StatusValue,
    Trigger.TIME: ua.DataChangeTrigger.StatusValueTimestamp,
}


def change_filter(watching: Watching) -> Any:
    """Return the data change filter; None asks for what is usual."""
    if watching.deadband is None and watching.deadband_percent is None and watching.trigger is Trigger.VALUE:
        return None
    found = ua.DataChangeFilter()
    found.Trigger = _TRIGGERS[watching.trigger]
    if watching.deadband is not None:
        found.DeadbandType, found.DeadbandValue = int(ua.DeadbandType.Absolute), watching.deadband
    elif watching.deadband_percent is not None:
        found.DeadbandType, found.DeadbandValue = int(ua.DeadbandType.Percent), watching.deadband_percent
    return found


def event_filter(severity: int) -> Any:
    """Ask for the fields of ``CLAUSES``, of events that are severe enough."""
    found = ua.EventFilter()
    found.SelectClauses = [_operand(clause) for clause in CLAUSES]
    if severity > 1:
        element = ua.ContentFilterElement()
        element.FilterOperator = ua.FilterOperator.GreaterThanOrEqual
        least = ua.LiteralOperand(ua.Variant(severity, ua.VariantType.UInt16))
        element.FilterOperands = [_operand(Clause(BASE_EVENT, ("Severity",))), least]
        found.WhereClause.Elements = [element]
    return found


def _operand(clause: Clause) -> Any:
    operand = ua.SimpleAttributeOperand()
    operand.TypeDefinitionId = ua.NodeId(clause.type_id)
    operand.BrowsePath = [ua.QualifiedName(name, 0) for name in clause.path]
    operand.AttributeId = ua.AttributeIds.Value if clause.path else ua.AttributeIds.NodeId
    return operand
