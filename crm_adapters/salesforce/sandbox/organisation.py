"""One organisation: records written under its rules, read back as the API shows them."""

from typing import Any

from msgspec import Struct

from crm_adapters.salesforce.sandbox.errors import Refusal, SeveralMatch, bad_request, not_found
from crm_adapters.salesforce.sandbox.ids import long_id
from crm_adapters.salesforce.sandbox.model import ACTIVATE
from crm_adapters.salesforce.sandbox.rules import after_write, apply_rules, refuse_delete
from crm_adapters.salesforce.sandbox.schema import BY_PREFIX, Field, SObject
from crm_adapters.salesforce.sandbox.store import Record, Store
from crm_adapters.salesforce.sandbox.validation import checked, completed, require_fields, require_unique


class Upserted(Struct, frozen=True, kw_only=True):
    """What an upsert did."""

    id: str
    created: bool


class Organisation:
    """The objects of one organisation; ``restricted`` is the integration user, others may do everything."""

    def __init__(self, store: Store, *, restricted: bool = False) -> None:
        self.store = store
        self._restricted = restricted

    def named(self, name: str) -> SObject:
        """Return an object.

        Raises:
            Refusal: there is none of this name.
        """
        kind = self.store.model.find(name)
        if kind is None:
            raise not_found()
        return kind

    def may(self, right: str) -> bool:
        """Say whether the user has a right."""
        return not self._restricted or right not in self.store.model.denied

    def require(self, right: str) -> None:
        """Refuse what the user may not do.

        Raises:
            Refusal: 403.
        """
        if self._restricted:
            self.store.model.require(right)

    def create(self, kind: SObject, written: Record) -> str:
        """Insert a record and return its id.

        Raises:
            Refusal: a rule forbids it; nothing is written.
        """
        self.require(f"{kind.name}:create")
        values = completed(kind, checked(self.store, kind, written, inserting=True))
        return self._insert(kind, values)

    def update(self, kind: SObject, identifier: str, written: Record) -> None:
        """Change a record.

        Raises:
            Refusal: there is no such record, or a rule forbids it; nothing is written.
        """
        self.require(f"{kind.name}:update")
        before = self.existing(kind, identifier)
        values = checked(self.store, kind, written, inserting=False)
        if kind.name == "Order" and values.get("Status", before["Status"]) != before["Status"]:
            self.require(ACTIVATE)
        with self.store.transaction():
            require_unique(self.store, kind, values, before["Id"])
            self._save(kind, self.store.update(kind, before["Id"], values), before)

    def upsert(self, kind: SObject, field_name: str, value: str, written: Record, *, update_only: bool) -> Upserted:
        """Insert or change the record that an external id names.

        Raises:
            Refusal: the field is no external id, or a rule forbids it.
            SeveralMatch: the external id is not unique.
        """
        field = self.external_id(kind, field_name)
        if any(name.lower() == field.name.lower() for name in written):
            said = f"The {field.name} field should not be specified in the sobject data"
            raise bad_request("INVALID_FIELD", said, field.name)
        found = self.store.with_key(kind, field.name, value)
        if len(found) > 1:
            raise SeveralMatch([record_path(kind, row["Id"]) for row in found])
        if found:
            self.update(kind, found[0]["Id"], written)
            return Upserted(id=found[0]["Id"], created=False)
        if update_only:
            raise not_found()
        return Upserted(id=self.create(kind, {**written, field.name: value}), created=True)

    def delete(self, kind: SObject, identifier: str) -> None:
        """Delete a record.

        Raises:
            Refusal: there is no such record, or it must stay.
        """
        record = self.existing(kind, identifier)
        refuse_delete(self.store, kind, record)
        with self.store.transaction():
            self.store.delete(kind, record["Id"])
            after_write(self.store, kind, record)

    def existing(self, kind: SObject, identifier: str) -> Record:
        """Return the record of an id of either length.

        Raises:
            Refusal: there is none.
        """
        whole = long_id(identifier)
        record = None if whole is None else self.store.get(kind, whole)
        if record is not None:
            return record
        if whole is not None and self.store.was_deleted(whole):
            raise Refusal(404, "ENTITY_IS_DELETED", "entity is deleted")
        raise not_found("Provided external ID field does not exist or is not accessible" if whole is None else _ABSENT)

    def by_key(self, kind: SObject, field_name: str, value: str) -> Record:
        """Return the one record that an external id names.

        Raises:
            Refusal: there is none, or the field is no external id.
            SeveralMatch: there are several.
        """
        field = self.external_id(kind, field_name)
        found = self.store.with_key(kind, field.name, value)
        if len(found) > 1:
            raise SeveralMatch([record_path(kind, row["Id"]) for row in found])
        if not found:
            raise not_found()
        return found[0]

    def external_id(self, kind: SObject, field_name: str) -> Field:
        """Return the external id field of this name.

        Raises:
            Refusal: there is none.
        """
        field = kind.field(field_name)
        if field is None or not field.external_id:
            raise not_found()
        return field

    def shown(self, kind: SObject, record: Record, fields: list[str] | None, version: str) -> dict[str, Any]:
        """Return a record as the API shows it, with the named fields or all of them.

        Raises:
            Refusal: a field does not exist.
        """
        names = [self._named(kind, name) for name in fields] if fields else [f.name for f in kind.fields.values()]
        return {"attributes": attributes(kind, record["Id"], version), **{name: record.get(name) for name in names}}

    def _named(self, kind: SObject, name: str) -> str:
        field = kind.field(name)
        if field is None:
            raise bad_request("INVALID_FIELD", f"No such column '{name}' on sobject of type {kind.name}")
        return field.name

    def _insert(self, kind: SObject, values: Record) -> str:
        require_fields(kind, values)
        with self.store.transaction():
            require_unique(self.store, kind, values, None)
            record = self.store.insert(kind, values)
            self._save(kind, record, None)
        return str(record["Id"])

    def _save(self, kind: SObject, record: Record, before: Record | None) -> None:
        require_fields(kind, record)
        ruled = apply_rules(self.store, kind, record, before)
        if ruled != record:
            self.store.update(kind, record["Id"], {name: ruled[name] for name in ruled if ruled[name] != record[name]})
        after_write(self.store, kind, record)


_ABSENT = "The requested resource does not exist"


def object_with_id(identifier: str) -> SObject:
    """Return the object whose records have such ids.

    Raises:
        Refusal: there is none.
    """
    kind = BY_PREFIX.get(identifier[:3])
    if kind is None:
        raise bad_request("MALFORMED_ID", f"bad id {identifier}")
    return kind


def record_path(kind: SObject, identifier: str, version: str = "v60.0") -> str:
    """Return the address of a record, relative to the instance."""
    return f"/services/data/{version}/sobjects/{kind.name}/{identifier}"


def attributes(kind: SObject, identifier: str, version: str) -> dict[str, str]:
    """Return what every record of an answer is labelled with."""
    return {"type": kind.name, "url": record_path(kind, identifier, version)}
