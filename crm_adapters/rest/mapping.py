"""From answers to the vocabulary: records, offers and free times, as a program says. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from actors.model.ids import OfferId, OrderKey
from actors.model.money import Money
from actors.model.offers import Discount, Offer, RefusedCoupon, landed_cost
from actors.model.orders import RecordKind, TimeSlot
from actors.model.outcomes import CrmRecord, RecordStatus
from crm_adapters.rest.answers import Context, said
from crm_adapters.rest.expressions import Expression, ExpressionError
from crm_adapters.rest.manifest import RecordFields
from crm_adapters.rest.program import CompiledFields, Program


def record_of(program: Program, kind: RecordKind, node: Any, context: Context) -> CrmRecord:
    """Return the record that an answer holds.

    Raises:
        ExpressionError: a field that must be there is not, or cannot be read.
    """
    fields, declared = program.records[kind], program.manifest.records[kind]
    seen = {**context, "record": node}
    status_text = _text(fields, "status", seen)
    return CrmRecord(
        record_id=_text(fields, "record_id", seen),
        number=_optional_text(fields, "number", seen) or "",
        kind=kind,
        key=OrderKey(_text(fields, "key", seen)),
        fingerprint=_optional_text(fields, "fingerprint", seen),
        status=_status(declared, status_text),
        status_text=status_text,
        total=_total(fields, seen),
        url=_optional_text(fields, "url", seen) or "",
        changed_at=_instant(fields, "changed_at", seen),
        scheduled=_scheduled(fields, seen),
    )


def record_under(key: OrderKey, program: Program, kind: RecordKind, node: Any, context: Context) -> CrmRecord:
    """Return the record that an answer holds, which must stand under ``key``: a stranger's is never taken for ours.

    Raises:
        ExpressionError: as ``record_of``, or the record stands under another key.
    """
    record = record_of(program, kind, node, context)
    if record.key.casefold() != key.casefold():  # some CRMs match external ids without regard to case
        raise ExpressionError(f"the answer shows a record under another key ({record.key})")
    return record


def key_of(program: Program, kind: RecordKind, node: Any, context: Context) -> OrderKey | None:
    """Return the key that a record stands under; None where it is not ours.

    Raises:
        ExpressionError: the answer does not tell.
    """
    key = _optional_text(program.records[kind], "key", {**context, "record": node})
    return OrderKey(key) if key else None


def is_complete(program: Program, kind: RecordKind, node: Any, context: Context) -> bool:
    """Say whether all steps of placing a record are done.

    Raises:
        ExpressionError: the answer does not tell.
    """
    fields = program.records[kind]
    return "complete" not in fields.expressions or bool(fields.value("complete", {**context, "record": node}))


def change_of(program: Program, node: Any, context: Context) -> CrmRecord | None:
    """Return the record of one entry of a change feed; None when it is of a kind that does not concern us.

    Raises:
        ExpressionError: as ``record_of``.
    """
    if program.manifest.changes is None:
        return None
    word = _text(program.changes, "kind", {**context, "record": node})
    kind = program.manifest.changes.kinds.get(word)
    if kind is None or not program.records[kind].value("key", {**context, "record": node}):
        return None  # not of a kind that concerns us, or not made by us
    return record_of(program, kind, node, context)


def offer_of(program: Program, connection: str, node: Any, context: Context) -> Offer:
    """Return one offer.

    Raises:
        ExpressionError: a field that must be there is not, cannot be read, or the amounts do not add up.
    """
    fields, seen = program.offers, {**context, "item": node}
    currency = _text(fields, "currency", seen)

    def money(name: str) -> Money:
        return Money(minor=_whole(fields, name, seen), currency=currency)

    offer = Offer(
        offer_id=OfferId(_text(fields, "offer_id", seen)),
        connection=connection,
        seller=_optional_text(fields, "seller", seen) or program.manifest.title,
        sku=_text(fields, "sku", seen),
        title=_text(fields, "title", seen),
        quantity=_whole(fields, "quantity", seen),
        unit_price=money("unit_price"),
        goods=money("goods"),
        discounts=_discounts(fields, currency, seen),
        refused_coupons=_convert(fields, "refused_coupons", seen, tuple[RefusedCoupon, ...]),
        shipping=money("shipping"),
        tax=money("tax"),
        landed=money("landed"),
        delivery_days=fields.value("delivery_days", seen),
        expires_at=_instant(fields, "expires_at", seen),
        references=_references(fields.references, seen),
    )
    return _added_up(offer)


def slot_of(program: Program, node: Any, context: Context) -> TimeSlot:
    """Return one free time.

    Raises:
        ExpressionError: a field that must be there is not, or cannot be read.
    """
    slot = _scheduled(program.slots, {**context, "item": node})
    if slot is None:
        raise ExpressionError("[slots]: starts_at or ends_at is null")
    return slot


def _status(declared: RecordFields, word: str) -> RecordStatus:
    """Return the meaning of a CRM's word; one that the manifest does not know is still open."""
    return declared.statuses.get(word, RecordStatus.OPEN)


def _text(fields: CompiledFields, name: str, seen: Context) -> str:
    text = _optional_text(fields, name, seen)
    if not text:
        raise ExpressionError(f"{name}: {fields.expressions[name].text!r} is empty")
    return text


def _optional_text(fields: CompiledFields, name: str, seen: Context) -> str | None:
    value = fields.value(name, seen)
    if value is None or type(value) is str:
        return value
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise ExpressionError(f"{name}: expected a text or a number, got {value!r}")


def _whole(fields: CompiledFields, name: str, seen: Context) -> int:
    value = fields.value(name, seen)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ExpressionError(f"{name}: expected a whole number, got {value!r}")
    return value


def _instant(fields: CompiledFields, name: str, seen: Context) -> datetime | None:
    text = _optional_text(fields, name, seen)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ExpressionError(f"{name}: expected a time as in RFC 3339, got {text!r}") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _total(fields: CompiledFields, seen: Context) -> Money | None:
    currency = _optional_text(fields, "currency", seen)
    if currency is None or "total_minor" not in fields.expressions:
        return None
    return Money(minor=_whole(fields, "total_minor", seen), currency=currency)


def _scheduled(fields: CompiledFields, seen: Context) -> TimeSlot | None:
    starts_at, ends_at = _instant(fields, "starts_at", seen), _instant(fields, "ends_at", seen)
    if starts_at is None or ends_at is None:
        return None
    resource, reference = (_optional_text(fields, name, seen) or "" for name in ("resource", "reference"))
    return TimeSlot(starts_at=starts_at, ends_at=ends_at, resource=resource, reference=reference)


class _Reduction(Struct, frozen=True, kw_only=True):
    title: str
    minor: int


def _discounts(fields: CompiledFields, currency: str, seen: Context) -> tuple[Discount, ...]:
    reductions = _convert(fields, "discounts", seen, tuple[_Reduction, ...])
    return tuple(Discount(title=each.title, amount=Money(minor=each.minor, currency=currency)) for each in reductions)


def _convert(fields: CompiledFields, name: str, seen: Context, wanted: Any) -> Any:
    try:
        return msgspec.convert(fields.value(name, seen) or [], wanted)
    except msgspec.ValidationError as error:
        raise ExpressionError(f"{name}: {error}") from error


def _references(expressions: Mapping[str, Expression], seen: Context) -> dict[str, str]:
    texts = {name: said(expression, seen) for name, expression in expressions.items()}
    return {name: text for name, text in texts.items() if text is not None}


def _added_up(offer: Offer) -> Offer:
    computed = landed_cost(offer.goods, offer.discounts, offer.shipping, offer.tax)
    if computed != offer.landed:
        raise ExpressionError(f"offer {offer.offer_id}: landed is {offer.landed}, but its parts make {computed}")
    return offer
