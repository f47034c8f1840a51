"""What the shop takes, and how it refuses what it cannot take."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1, max_length=400)]


class _Form(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all forms: a field that the shop does not know is an error."""


class Machine(_Form, frozen=True, kw_only=True):
    """For which machine."""

    id: Text
    serial: str = ""


class Address(_Form, frozen=True, kw_only=True):
    """Where to."""

    name: str = ""
    street: str = ""
    postal_code: str = ""
    city: str = ""
    country: str = ""


class Line(_Form, frozen=True, kw_only=True):
    """One article."""

    sku: Text
    quantity: Annotated[int, Meta(ge=1, le=999)]


class OrderForm(_Form, frozen=True, kw_only=True):
    """An order; ``expected_total`` is what the customer was offered. ``reference`` is for a bare POST alone."""

    reference: str | None = None
    fingerprint: str = ""
    customer: Text
    machine: Machine
    lines: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=50)]
    coupons: tuple[str, ...] = ()
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    expected_total: Annotated[str, Meta(pattern=r"^\d+(\.\d+)?$")] | None = None
    ship_to: Address = Address()
    note: str = ""
    test: bool = False


class TicketForm(_Form, frozen=True, kw_only=True):
    """A call for help."""

    fingerprint: str = ""
    customer: Text
    machine: Machine
    title: Text
    description: str = ""
    fault_code: str = ""
    work: str = ""
    urgency: Annotated[str, Meta(pattern="^(urgent|normal|low)$")] = "normal"
    minutes: Annotated[int, Meta(ge=15, le=480)] = 60
    site: Address = Address()
    test: bool = False


class VisitForm(_Form, frozen=True, kw_only=True):
    """The booking of a free time for a ticket."""

    fingerprint: str = ""
    ticket: Text
    slot_id: Text
    site: Address = Address()


FormT = TypeVar("FormT", OrderForm, TicketForm, VisitForm)


class FieldError(Struct, frozen=True, kw_only=True):
    """What is wrong with one field."""

    field: str
    message: str


class Refusal(Exception):
    """The shop does not do this; carries the answer."""

    def __init__(self, status: int, code: str, message: str, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = tuple(fields)

    def response(self) -> web.Response:
        """Return the answer that tells so."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.fields:
            error["fields"] = self.fields
        return json_response({"error": error}, self.status)


def refuse_field(field: str, message: str) -> Refusal:
    """Return the refusal of a form because of one field."""
    return Refusal(422, "validation_failed", "The request is not valid.", [FieldError(field=field, message=message)])


async def filled(request: web.Request, form: type[FormT]) -> FormT:
    """Return the form that a request carries.

    Raises:
        Refusal: the body is no JSON (400), or a field is missing, unknown or wrong (422); the text says which.
    """
    content = await request.read()
    try:
        return msgspec.json.decode(content, type=form)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except msgspec.DecodeError as error:
        raise Refusal(400, "malformed", f"The body is no JSON: {error}") from error


def _invalid(said: str) -> Refusal:
    """Turn msgspec's message into the shop's: the field as a path from the body, and what is wrong with it."""
    text, _, place = said.partition(" - at `$")
    path = place.rstrip("`").removeprefix(".")
    named = re.search(r"field `([^`]+)`", text)
    if named is None:
        return refuse_field(path or "body", text)
    word = "is required" if "missing" in text else "is not a field of this form"
    return refuse_field(".".join(filter(None, [path, named[1]])), word)


def json_response(value: Any, status: int = 200, **headers: str) -> web.Response:
    """Return an answer in JSON."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json", headers=headers
    )
