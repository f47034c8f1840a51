"""A declared system as a sandbox: seeded, judged and moved on by people, all from its declaration."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiohttp import web

from actors.model.money import Money
from actors.model.orders import RecordKind
from actors.model.outcomes import RecordStatus
from crm_adapters.rest.sandbox.vendors.definitions import Role, Seed, Vendor, load_vendor
from crm_adapters.rest.sandbox.vendors.store import Store, filled
from crm_adapters.rest.sandbox.vendors.wire import Gatekeeper, Wire
from crm_adapters.sandboxing import Outgoing, SandboxOptions, SandboxRecord, SandboxSpec, Tables, UnknownRecord
from crm_adapters.sandboxing.tables import Row

_CURRENCY = "EUR"


class VendorSandbox:
    """One declared system."""

    def __init__(self, name: str, vendor: Vendor, make_wire: type[Wire], options: SandboxOptions) -> None:
        self.name = name
        self._vendor = vendor
        self._tables = Tables(options.data_file)
        everybody = not options.accounts
        self._store = Store(vendor, self._tables, options.clock, knows_everybody=everybody, lacks=options.lacks)
        self._wire = make_wire(self._store, options.credentials)
        self._gatekeeper = Gatekeeper(self._wire, vendor, options.clock)
        if not any(self._tables.all(table) for table in vendor.tables):
            self._sow(options)
        self._store.index()

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the API's routes."""
        guarded = self._gatekeeper.guarded
        return [web.route(method, path, guarded(answers)) for method, path, answers in self._wire.routes()]

    def records(self) -> Sequence[SandboxRecord]:
        """Return what stands under a key, kind by kind, in the order it was made."""
        return [self._judged(kind, role, row) for kind, role, row in self._ours()]

    def advance(self, record_id: str, status: RecordStatus) -> None:
        """Change the status as a person would."""
        found = next(((role, row) for _, role, row in self._ours() if str(row["id"]) == record_id), None)
        if found is None:
            raise UnknownRecord(record_id)
        role, row = found
        words = [word for word, meaning in role.statuses.items() if meaning is status]
        if not words:
            raise ValueError(f"{role.table} {record_id} cannot become {status}")
        self._store.update(role.table, record_id, {role.status: _typed(row, role, words[0])}, by_system=True)

    def expire_tokens(self) -> None:
        """The keys of these systems do not expire by themselves."""

    def close(self) -> None:
        """Close the data file."""
        self._tables.close()

    def _ours(self) -> Iterator[tuple[RecordKind, Role, Row]]:
        for kind, role in self._vendor.roles.items():
            for row in self._store.search(role.table, lambda _row: True):
                if row.get(role.key):
                    yield kind, role, row

    def _judged(self, kind: RecordKind, role: Role, row: Row) -> SandboxRecord:
        def text(path: str) -> str:
            value = self._store.value(role.table, row, path)
            return "" if value is None else str(value)

        total = None if role.total is None else Money.of(text(role.total) or "0", _CURRENCY).minor
        return SandboxRecord(
            kind=kind,
            record_id=str(row["id"]),
            number=text(role.number),
            key=text(role.key),
            fingerprint=text(role.fingerprint),
            owner=text(role.owner),
            thing=text(role.thing),
            status=role.statuses.get(text(role.status), RecordStatus.OPEN),
            status_text=text(role.status),
            total_minor=total,
            currency=None if total is None else _CURRENCY,
            lines=self._lines(role, row),
            raw=row,
        )

    def _lines(self, role: Role, row: Row) -> dict[str, int]:
        lines = role.lines
        if lines is None:
            return {}
        value = self._store.value
        rows = self._store.search(lines.table, lambda line: str(line.get(lines.parent)) == str(row["id"]))
        return {
            str(value(lines.table, line, lines.sku)): int(float(value(lines.table, line, lines.quantity)))
            for line in rows
        }

    def _sow(self, options: SandboxOptions) -> None:
        for seed in self._vendor.seed:
            for given in self._given(seed, options):
                known = self._store.columns(seed.table)
                values = {name: value for name, value in filled(seed.values, given).items() if name in known}
                self._store.create(seed.table, values)

    def _given(self, seed: Seed, options: SandboxOptions) -> list[dict[str, Any]]:
        match seed.each:
            case "catalog":
                return [
                    {
                        "sku": item.sku,
                        "title": item.title,
                        "price": self._price(item.price_minor),
                        "code": str(number),
                        "days": item.delivery_days,
                    }
                    for number, item in enumerate(options.catalog, 1)
                ]
            case "accounts":
                return [{"account": account} for account in options.accounts]
            case _:
                return [{}]

    def _price(self, minor: int) -> str | float:
        text = str(Money(minor=minor, currency=_CURRENCY).decimal())
        return text if self._vendor.texts_only else float(text)


class TellingSandbox(VendorSandbox):
    """A system that sends messages when what we placed changes."""

    def __init__(self, name: str, vendor: Vendor, make_wire: type[Wire], options: SandboxOptions) -> None:
        super().__init__(name, vendor, make_wire, options)
        self._urls: list[str] = []
        self._told: dict[tuple[str, str], str] = {}

    def subscribe(self, url: str) -> None:
        """Send messages about what changes from now on."""
        self._changed()
        self._urls.append(url)

    def take_messages(self) -> Sequence[Outgoing]:
        """Return the messages about what changed since the last call."""
        if not self._urls:
            return ()
        made = [(url, self._wire.message(table, row, url)) for table, row in self._changed() for url in self._urls]
        return [Outgoing(url=url, headers=told[0], body=told[1]) for url, told in made if told is not None]

    def _changed(self) -> list[tuple[str, Row]]:
        now = {(role.table, str(row["id"])): row for _, role, row in self._ours()}
        changed = [(place[0], row) for place, row in now.items() if self._told.get(place) != row["changed"]]
        self._told = {place: row["changed"] for place, row in now.items()}
        return changed


def vendor_spec(name: str, title: str, make_wire: type[Wire], credentials: Mapping[str, str]) -> SandboxSpec:
    """Return the sandbox of a declared system."""
    kind = TellingSandbox if "webhook_secret" in credentials else VendorSandbox
    return SandboxSpec(
        name=name,
        title=title,
        build=lambda options: kind(name, load_vendor(name), make_wire, options),
        credentials=credentials,
    )


def _typed(row: Row, role: Role, word: str) -> Any:
    return int(word) if isinstance(row.get(role.status), int) else word
