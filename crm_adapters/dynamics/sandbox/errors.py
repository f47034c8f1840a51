"""Refusals as Dataverse words them: HTTP status, error code, message."""

from typing import Final

ERROR_NUMBERS: Final = {
    "RecordNotFound": "0x80040217",
    "RecordNotFoundByKey": "0x80060891",
    "ResourceNotFound": "0x8006088a",
    "DuplicateKey": "0x80060892",
    "DuplicateRecord": "0x80040237",
    "VersionMismatch": "0x80060882",
    "InvalidArgument": "0x80040203",
    "BadPayload": "0x80048d19",
    "BadProperty": "0x80060888",
    "TooLong": "0x80044331",
    "OutOfRange": "0x80044330",
    "NotAllowed": "0x80048408",
    "PlugInRefused": "0x80040265",
    "MissingPrivilege": "0x80040220",
    "DuplicateAttribute": "0x80047013",
    "DuplicateKeyDefinition": "0x8004f031",
    "Unexpected": "0x80040216",
    "ExpiredVersionStamp": "0x80044352",
    "RequestLimit": "0x80072322",
    "ExecutionLimit": "0x80072321",
    "ConcurrencyLimit": "0x80072326",
}
"""Names of ours for the platform's numbers (Dataverse "Web service error codes")."""


class DataverseError(Exception):
    """A refusal; it ends the operation and rolls its changes back."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def body(self) -> dict[str, object]:
        """Return the JSON body of the reply."""
        return {"error": {"code": self.code, "message": self.message}}


def refuse(status: int, name: str, message: str) -> DataverseError:
    """Return the refusal with the platform's number for ``name`` ("" for none)."""
    return DataverseError(status, ERROR_NUMBERS[name] if name else "", message)


def absent_record(entity: str, guid: str) -> DataverseError:
    """Nothing has this primary key."""
    return refuse(404, "RecordNotFound", f"Entity '{entity}' With Id = {guid} Does Not Exist")


def absent_key(entity: str, key: dict[str, str]) -> DataverseError:
    """Nothing has this alternate key."""
    shown = ", ".join(f"{column}={value}" for column, value in key.items())
    return refuse(
        404, "RecordNotFoundByKey", f"A record with the specified key values does not exist in {entity} ({shown})."
    )


def unknown_property(entity: str, name: str) -> DataverseError:
    """The table has no such column."""
    return refuse(
        400, "BadProperty", f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{entity}'."
    )


def undeclared_property(name: str) -> DataverseError:
    """The payload names something the table does not have; navigation properties are case-sensitive."""
    return refuse(
        400,
        "BadPayload",
        "Error identified in Payload provided by the user for Entity :'', InnerException : "
        f"Microsoft.OData.ODataException: An undeclared property '{name}' was found in the payload.",
    )


def unknown_resource(segment: str) -> DataverseError:
    """The address names nothing."""
    return refuse(404, "ResourceNotFound", f"Resource not found for the segment '{segment}'.")
