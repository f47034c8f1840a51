"""How the vendors themselves word what goes wrong, by the name of the trouble. Shapes: the vendors' documentation."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct


class Answer(Struct, frozen=True, kw_only=True):
    """An answer in a vendor's words."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = {}

    @property
    def text(self) -> str:
        """The body as it is sent."""
        return "" if self.body is None else msgspec.json.encode(self.body).decode()


_SOON: Final = {"Retry-After": "0.2"}


def _salesforce(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status=status, body=[{"message": message, "errorCode": code}], headers=headers or {})


SALESFORCE: Final = {
    "401": _salesforce(401, "INVALID_SESSION_ID", "Session expired or invalid"),
    "403": _salesforce(403, "INSUFFICIENT_ACCESS", "insufficient access rights on cross-reference id"),
    "403_for_good": _salesforce(403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization."),
    "409": _salesforce(409, "CONFLICT", "The record was changed meanwhile."),
    "429": _salesforce(
        403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.", _SOON
    ),
    "quota": _salesforce(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    "row_lock": _salesforce(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"),
    "refused_by_rule": _salesforce(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Orders need a cost centre."),
    "500": _salesforce(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."),
    "503": _salesforce(503, "SERVER_UNAVAILABLE", "The server is too busy."),
}


def _dataverse(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status=status, body={"error": {"code": code, "message": message}}, headers=headers or {})


DYNAMICS: Final = {
    "401": _dataverse(401, "", "The token has expired."),
    "403": _dataverse(403, "0x80040220", "The user is missing the privilege prvCreateSalesOrder."),
    "403_for_good": _dataverse(403, "0x80048306", "The user has no access to this organization."),
    "429": _dataverse(429, "0x80072322", "Number of requests exceeded the limit of 6000.", _SOON),
    "row_lock": _dataverse(412, "0x80060882", "The version of the existing record does not match."),
    "refused_by_rule": _dataverse(400, "0x80040265", "Orders need a cost centre."),
    "500": _dataverse(500, "0x80044151", "Sql Error: Execution Timeout Expired."),
    "503": _dataverse(503, "0x80044150", "The service is unavailable.", {"Retry-After": "1"}),
}


def _odoo(status: int, name: str, message: str) -> Answer:
    return Answer(status=status, body={"name": name, "message": message, "arguments": [message], "debug": ""})


ODOO: Final = {
    "401": _odoo(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey"),
    "403": _odoo(403, "odoo.exceptions.AccessError", "You are not allowed to create Sales Order records."),
    "row_lock": _odoo(500, "psycopg2.errors.SerializationFailure", "could not serialize access"),
    "refused_by_rule": _odoo(422, "odoo.exceptions.ValidationError", "Orders need a cost centre."),
    "500": _odoo(500, "builtins.KeyError", "partner_id"),
}


def _hubspot(status: int, category: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    body = {"status": "error", "message": message, "correlationId": "c0de", "category": category}
    return Answer(status=status, body=body, headers=headers or {})


HUBSPOT: Final = {
    "401": _hubspot(401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired."),
    "403": _hubspot(403, "MISSING_SCOPES", "This app hasn't been granted all required scopes."),
    "429": _hubspot(429, "RATE_LIMITS", "You have reached your secondly limit.", _SOON),
    "refused_by_rule": _hubspot(400, "VALIDATION_ERROR", "Orders need a cost centre."),
    "500": _hubspot(500, "INTERNAL_ERROR", "internal error"),
}


def _servicenow(status: int, message: str, detail: str, headers: Mapping[str, str] | None = None) -> Answer:
    body = {"error": {"message": message, "detail": detail}, "status": "failure"}
    return Answer(status=status, body=body, headers=headers or {})


SERVICENOW: Final = {
    "401": _servicenow(401, "User Not Authenticated", "Required to provide Auth information"),
    "403": _servicenow(403, "Insufficient rights to create records", "Field(s) present in the query do not permit"),
    "429": _servicenow(429, "Rate limit exceeded", "", _SOON),
    "refused_by_rule": _servicenow(403, "Operation Failed", "Orders need a cost centre."),
    "500": _servicenow(500, "Transaction cancelled: maximum execution time exceeded", ""),
}


def _frappe(status: int, kind: str, message: str) -> Answer:
    said = msgspec.json.encode([msgspec.json.encode({"message": message}).decode()]).decode()
    body = {"exception": f"frappe.exceptions.{kind}: {message}", "exc_type": kind, "_server_messages": said}
    return Answer(status=status, body=body)


ERPNEXT: Final = {
    "401": _frappe(401, "AuthenticationError", "Authentication required"),
    "403": _frappe(403, "PermissionError", "No permission for Sales Order"),
    "429": Answer(status=429, body={"exc_type": "TooManyRequestsError"}, headers=_SOON),
    "row_lock": _frappe(500, "QueryDeadlockError", "Deadlock found when trying to get lock"),
    "refused_by_rule": _frappe(417, "ValidationError", "Orders need a cost centre."),
    "500": _frappe(500, "OperationalError", "Lost connection to the database"),
    "503": _frappe(503, "SessionStopped", "The site is being updated"),
}
