"""A running Tryton behind the front of our sandboxes: its faults and request log, Tryton's own answers and tables."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from msgspec import Struct

from actors.model.orders import RecordKind
from actors.model.outcomes import RecordStatus
from crm_adapters.sandboxing import SandboxOptions, SandboxRecord, SandboxSpec, UnknownRecord

_SALES = """SELECT sale.id, sale.number, reference, comment, sale.description, state, code FROM sale_sale sale
JOIN party_party ON party_party.id = sale.party ORDER BY sale.id"""
_LINES = """SELECT code, quantity, unit_price FROM sale_line JOIN product_product product ON product.id = product
WHERE sale = ? ORDER BY sale_line.id"""
_TASKS = """SELECT work.id, work.comment, status.name FROM project_work work
JOIN project_work_status status ON status.id = work.status ORDER BY work.id"""
_EMPTY = ("DELETE FROM sale_line", "DELETE FROM sale_sale", "DELETE FROM project_work")
_ADVANCE = """UPDATE sale_sale SET state = ?,
write_date = strftime('%Y-%m-%d %H:%M:%f', max(write_date, create_date), '+1 seconds') || '000' WHERE id = ?"""
_STATES = {
    "draft": RecordStatus.OPEN,
    "quotation": RecordStatus.OPEN,
    "confirmed": RecordStatus.CONFIRMED,
    "processing": RecordStatus.CONFIRMED,
    "done": RecordStatus.FULFILLED,
    "cancelled": RecordStatus.CANCELLED,
}
_HOP = frozenset({"host", "content-length", "transfer-encoding", "connection", "content-encoding", "accept-encoding"})


class TrytonServer(Struct, frozen=True, kw_only=True):
    """Where a running Tryton is."""

    url: str
    database: Path
    key: str

    def spec(self) -> SandboxSpec:
        """Return it as a sandbox; each that is opened begins without orders and tasks."""
        return SandboxSpec(
            name="tryton",
            title="Tryton 8.2",
            build=lambda _options: _Relay(self, _options),
            credentials={"api_key": self.key},
        )


class _Relay:
    """Passes every request on to Tryton; reads the records from its database, as a judge."""

    name = "tryton"

    def __init__(self, server: TrytonServer, options: SandboxOptions) -> None:
        self._server = server
        self._options = options
        self._write(*((statement, ()) for statement in _EMPTY))

    def routes(self) -> Sequence[web.RouteDef]:
        """Return one route for everything that is not the administration's."""
        return [web.route("*", "/{path:(?!_sandbox).*}", self._pass_on)]

    def records(self) -> Sequence[SandboxRecord]:
        """Return sales, then tasks."""
        with closing(self._open()) as database:
            sales = [self._sale(database, row) for row in database.execute(_SALES)]
            return [*sales, *(_task(row) for row in database.execute(_TASKS))]

    def advance(self, record_id: str, status: RecordStatus) -> None:
        """Set a sale's state as Tryton's own bookkeeping would in the end."""
        state = next(word for word, meaning in reversed(_STATES.items()) if meaning is status and word != "processing")
        if not any(record.record_id == record_id for record in self.records()):
            raise UnknownRecord(record_id)
        self._write((_ADVANCE, (state, record_id)))

    def expire_tokens(self) -> None:
        """Keys of Tryton's user applications do not expire."""

    def close(self) -> None:
        """Leave the server running for the next one."""

    async def _pass_on(self, request: web.Request) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method, self._server.url + request.path_qs, data=await request.read(), headers=headers
            ) as reply,
        ):
            kept = {name: value for name, value in reply.headers.items() if name.lower() not in _HOP}
            return web.Response(status=reply.status, body=await reply.read(), headers=kept)

    def _sale(self, database: sqlite3.Connection, row: tuple[Any, ...]) -> SandboxRecord:
        sale_id, number, reference, comment, description, state, owner = row
        lines = database.execute(_LINES, (sale_id,)).fetchall()
        total = sum(round(quantity * float(price) * 100) for _, quantity, price in lines)
        return SandboxRecord(
            kind=RecordKind.ORDER,
            record_id=str(sale_id),
            number=number or "",
            key=reference,
            fingerprint=_after("fingerprint", comment),
            owner=owner,
            thing=description,
            status=_STATES[state],
            status_text=state,
            total_minor=total,
            currency="EUR",
            lines={code: int(quantity) for code, quantity, _ in lines},
        )

    def _write(self, *statements: tuple[str, tuple[str, ...]]) -> None:
        with closing(self._open()) as database, database:
            for statement, values in statements:
                database.execute(statement, values)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._server.database, timeout=20)


def _task(row: tuple[Any, ...]) -> SandboxRecord:
    task_id, comment, status = row
    return SandboxRecord(
        kind=RecordKind.SERVICE,
        record_id=str(task_id),
        key=_after("key", comment),
        fingerprint=_after("fingerprint", comment),
        owner=_after("owner", comment),
        thing=_after("thing", comment),
        status=RecordStatus.FULFILLED if status == "Done" else RecordStatus.OPEN,
        status_text=status,
    )


def _after(word: str, text: str) -> str:
    found = [line.removeprefix(f"{word} ") for line in text.splitlines() if line.startswith(f"{word} ")]
    return found[-1] if found else ""
