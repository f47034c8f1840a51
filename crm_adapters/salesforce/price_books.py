"""Price book entries: searched for offers, remembered for orders."""

from collections.abc import Iterable

from msgspec import Struct

from actors.model.offers import OfferQuery
from actors.model.orders import PurchaseOrder
from actors.model.outcomes import Failure, Offers, OffersOutcome, Permanent
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.mapping import charge_skus
from crm_adapters.salesforce.offers import offer_of, prices_by_sku, prices_query
from crm_adapters.salesforce.wire import Wire


class Priced(Struct, frozen=True, kw_only=True):
    """Where the products of one order are listed: one price book, and the entries by SKU."""

    price_book: str
    entries: dict[str, str]


class PriceBooks:
    """The price books of one connection."""

    def __init__(self, wire: Wire, config: SalesforceConfig, connection: str) -> None:
        self._wire = wire
        self._config = config
        self._connection = connection
        self._entries: dict[tuple[str, str, str], str] = {}
        """Entry id by price book id, currency and SKU."""

    async def offers(self, query: OfferQuery) -> OffersOutcome:
        """Return what the price books ask for, in the order of the query's SKUs."""
        if not query.skus or (self._config.currency and query.currency != self._config.currency):
            return Offers(offers=())
        rows = await self._wire.query(prices_query(self._config, query.skus, query.currency))
        if not isinstance(rows, list):
            return rows
        found = prices_by_sku(rows, self._config.fields)
        known = [found[sku] for sku in dict.fromkeys(query.skus) if sku in found]
        return Offers(offers=tuple(offer_of(prices, query, self._config, self._connection) for prices in known))

    async def price(self, order: PurchaseOrder) -> Priced | Failure:
        """Return the entries for all products of an order, those for shipping and tax included."""
        named = {line.sku: line.references.get("price_book_entry", "") for line in order.lines}
        entries = {sku: entry for sku, entry in named.items() if entry}
        book = next((line.references["price_book"] for line in order.lines if "price_book" in line.references), "")
        wanted = [sku for sku in (*named, *charge_skus(order, self._config)) if sku not in entries]
        if not wanted and book:
            return Priced(price_book=book, entries=entries)
        return await self._complete(order, book, entries, wanted)

    def forget(self) -> None:
        """Read the price books anew next time."""
        self._entries.clear()

    async def _complete(
        self, order: PurchaseOrder, book: str, entries: dict[str, str], wanted: list[str]
    ) -> Priced | Failure:
        currency = order.total.currency
        if not book or any((book, currency, sku) not in self._entries for sku in wanted):
            read = await self._read(wanted, currency)
            if not isinstance(read, list):
                return read
            book = book or self._book_of(wanted, currency, read)
        found = {sku: self._entries[book, currency, sku] for sku in wanted if (book, currency, sku) in self._entries}
        missing = [sku for sku in wanted if sku not in found]
        if missing:
            said = f"no active entry in price book {book or self._config.price_book} in {currency} for {missing}"
            return Permanent(code="NO_PRICE_BOOK_ENTRY", message=said, field="PricebookEntryId")
        return Priced(price_book=book, entries={**entries, **found})

    async def _read(self, skus: Iterable[str], currency: str) -> list[str] | Failure:
        """Remember the entries of some SKUs; return the price books they are in, the standard one last."""
        rows = await self._wire.query(prices_query(self._config, skus, currency))
        if not isinstance(rows, list):
            return rows
        for row in rows:
            sku = str(row["Product2"][self._config.fields.sku])
            self._entries[str(row["Pricebook2Id"]), currency, sku] = str(row["Id"])
        ordered = sorted(rows, key=lambda row: bool(row["Pricebook2"]["IsStandard"]))
        return list(dict.fromkeys(str(row["Pricebook2Id"]) for row in ordered))

    def _book_of(self, wanted: list[str], currency: str, books: list[str]) -> str:
        """Return the first price book that lists most of the SKUs."""
        return max(books, key=lambda book: sum((book, currency, sku) in self._entries for sku in wanted), default="")
