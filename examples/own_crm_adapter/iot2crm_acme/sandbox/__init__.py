"""A parts desk of one's own: enough of Acme's API to prove the adapter against it."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from actors.model.orders import RecordKind
from actors.model.outcomes import RecordStatus
from crm_adapters.sandboxing import SandboxOptions, SandboxRecord, SandboxSpec, Tables, UnknownRecord
from crm_adapters.sandboxing.tables import Row
from iot2crm_acme.mapping import STATUSES

_SHELVES = {"orders": RecordKind.ORDER, "calls": RecordKind.SERVICE}
_FIRST = {"orders": "accepted", "calls": "new"}
Answers = Callable[[web.Request], Awaitable[web.Response]]


class AcmeSandbox:
    """The desk. Its faults, request log and administration come from ``crm_adapters.sandboxing``."""

    name = "acme"

    def __init__(self, options: SandboxOptions) -> None:
        self._articles = {item.sku: item for item in options.catalog}
        self._accounts = frozenset(options.accounts)
        self._credentials = options.credentials
        self._tables = Tables(options.data_file)

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the API's routes."""
        return [
            web.get("/v1/articles", self._guarded(self._get_articles)),
            web.get("/v1/changes", self._guarded(self._get_changes)),
            web.post("/v1/{shelf:orders|calls}", self._guarded(self._post_sheet)),
            web.get("/v1/{shelf:orders|calls}/{ref}", self._guarded(self._get_sheet)),
            web.post("/v1/{shelf:orders|calls}/{ref}/cancel", self._guarded(self._post_cancel)),
        ]

    def records(self) -> Sequence[SandboxRecord]:
        """Return orders and calls as a judge sees them."""
        return [_judged(row) for row in self._tables.all("sheet")]

    def advance(self, record_id: str, status: RecordStatus) -> None:
        """Change the status as a person at the desk would."""
        row = next((each for each in self._tables.all("sheet") if str(each["number"]) == record_id), None)
        if row is None:
            raise UnknownRecord(record_id)
        self._put({**row, "status": next(word for word, meaning in STATUSES.items() if meaning is status)})

    def expire_tokens(self) -> None:
        """There are none: every request is signed."""

    def close(self) -> None:
        """Close the data file."""
        self._tables.close()

    async def _get_articles(self, request: web.Request) -> web.Response:
        known = [self._articles[sku] for sku in request.query.getall("sku", []) if sku in self._articles]
        shown = [{"sku": item.sku, "title": item.title, "cents": item.price_minor} for item in known]
        return _json({"articles": shown})

    async def _get_changes(self, request: web.Request) -> web.Response:
        after = int(request.query["after"])
        changed = sorted(self._tables.all("sheet"), key=lambda row: int(row["change"]))
        last = self._tables.last_number("change")
        return _json({"sheets": [row for row in changed if int(row["change"]) > after], "last": last})

    async def _post_sheet(self, request: web.Request) -> web.Response:
        """Make a sheet; a second one with the same ref is refused, and the first one shown."""
        shelf, sent = request.match_info["shelf"], msgspec.json.decode(await request.read())
        existing = self._tables.get("sheet", f"{shelf}/{sent['ref']}")
        if existing is not None:
            return _json({"sheet": existing}, 409)
        if self._accounts and sent["buyer"] not in self._accounts:
            return _problem("unknown_buyer", f"nobody here knows {sent['buyer']}", "buyer")
        for line in sent.get("lines", []):
            if line["sku"] not in self._articles:
                return _problem("unknown_article", f"we do not sell {line['sku']}", "lines.sku")
        return _json({"sheet": self._made(shelf, sent)}, 201)

    async def _get_sheet(self, request: web.Request) -> web.Response:
        row = self._found(request)
        return _json({"sheet": row}) if row else _json({"problem": "no such sheet"}, 404)

    async def _post_cancel(self, request: web.Request) -> web.Response:
        row = self._found(request)
        if row is None:
            return _json({"problem": "no such sheet"}, 404)
        return _json({"sheet": self._put({**row, "status": "cancelled"})})

    def _made(self, shelf: str, sent: dict[str, Any]) -> Row:
        cents = sum(line["pieces"] * line["cents"] for line in sent["lines"]) if "lines" in sent else None
        with self._tables.transaction():
            number = self._tables.next_number("sheet")
        return self._put({**sent, "shelf": shelf, "number": number, "status": _FIRST[shelf], "cents": cents})

    def _put(self, row: Row) -> Row:
        with self._tables.transaction():
            kept = {**row, "change": self._tables.next_number("change")}
            self._tables.put("sheet", f"{row['shelf']}/{row['ref']}", kept)
        return kept

    def _found(self, request: web.Request) -> Row | None:
        return self._tables.get("sheet", f"{request.match_info['shelf']}/{request.match_info['ref']}")

    def _guarded(self, answers: Answers) -> Answers:
        async def guard(request: web.Request) -> web.Response:
            signed = f"{request.method}\n{request.path_qs}\n".encode() + await request.read()
            expected = hmac.new(self._credentials["secret"].encode(), signed, hashlib.sha256).hexdigest()
            if not hmac.compare_digest(request.headers.get("X-Acme-Signature", ""), expected):
                return _json({"problem": "the signature is wrong"}, 401)
            return await answers(request)

        return guard


SANDBOX = SandboxSpec(
    name="acme",
    title="Acme Parts Desk",
    build=AcmeSandbox,
    credentials={"client": "hub", "secret": "not-a-secret-acme"},
)


def _judged(row: Row) -> SandboxRecord:
    return SandboxRecord(
        kind=_SHELVES[row["shelf"]],
        record_id=str(row["number"]),
        number=str(row["number"]),
        key=row["ref"],
        fingerprint=row["print"],
        owner=row["buyer"],
        thing=row["machine"],
        status=STATUSES[row["status"]],
        status_text=row["status"],
        total_minor=row["cents"],
        currency=None if row["cents"] is None else "EUR",
        lines={line["sku"]: line["pieces"] for line in row.get("lines", [])},
    )


def _problem(code: str, text: str, field: str) -> web.Response:
    return _json({"problem": {"code": code, "text": text, "field": field}}, 422)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
