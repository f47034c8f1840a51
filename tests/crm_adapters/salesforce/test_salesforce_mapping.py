"""Pure parts of the Salesforce adapter: amounts, literals, outcomes, free times, cursors."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.model.money import Money
from actors.model.offers import Offer, OfferQuery
from actors.model.orders import AppointmentQuery, OrderKey, RecordKind
from actors.model.outcomes import Conflict, Permanent, RecordStatus, Throttled, Transient
from actors.model.secrets import Secret
from crm_adapters.salesforce.changes import BadCursor, Mark, parse_cursor, unseen, write_cursor
from crm_adapters.salesforce.classification import LONG_WAIT_S, SHORT_WAIT_S, refusal_of
from crm_adapters.salesforce.config import FieldNames, SalesforceConfig, StatusNames
from crm_adapters.salesforce.free_times import crew, free_times
from crm_adapters.salesforce.mapping import (
    Parties,
    TotalMismatch,
    order_items,
    order_parts,
    service_parts,
    split,
    spread,
    thing_key,
)
from crm_adapters.salesforce.offers import offer_of, prices_by_sku
from crm_adapters.salesforce.records import record_fields, status_of
from crm_adapters.salesforce.soql import query_path, select, text
from crm_adapters.salesforce.wire import quota_share
from crm_adapters.testing import OWNER, THING, order_from, service_request

CONFIG = SalesforceConfig(login_url="https://acme.my.salesforce.com", client_id="id", client_secret=Secret("s"))
ENTRIES = {"INK": "01uINK", "SHIPPING": "01uSHIP", "TAX": "01uTAX"}


def entry(price: float, *, standard: bool) -> dict[str, Any]:
    book = {"IsStandard": standard}
    product = {"Name": "Ink", "StockKeepingUnit": "INK", "DeliveryDays__c": 2.0}
    product |= {"ShippingMinor__c": 490, "TaxPercent__c": 19.0, "Coupons__c": "M5=5;BAD=x;DOT=.;M9=9"}
    ids = {"Id": f"01u{price}", "Pricebook2Id": f"01s{standard}"}
    return {**ids, "UnitPrice": price, "Pricebook2": book, "Product2": product}


def offer(*coupons: str, quantity: int = 3) -> Offer:
    prices = prices_by_sku([entry(39.9, standard=True), entry(35.9, standard=False)], CONFIG.fields)["INK"]
    query = OfferQuery(skus=("INK",), quantity=quantity, currency="EUR", coupons=coupons)
    return offer_of(prices, query, CONFIG, "crm")


def test_the_difference_between_the_price_books_is_the_discount() -> None:
    made = offer()
    assert (made.unit_price.minor, made.goods.minor, made.shipping.minor) == (3990, 11970, 490)
    assert [discount.amount.minor for discount in made.discounts] == [1200]
    assert (made.tax.minor, made.landed.minor) == (2139, 13399)


def test_the_best_coupon_counts_and_the_others_say_why_not() -> None:
    made = offer("M5", "M9", "NONE")
    assert [discount.title for discount in made.discounts] == ["price book Things", "coupon M9"]
    reasons = {coupon.code: coupon.reason for coupon in made.refused_coupons}
    assert reasons == {"M5": "discount_code_combination_disallowed", "NONE": "discount_code_invalid"}


@given(st.integers(1, 40), st.sampled_from([(), ("M5",), ("M9",)]))
def test_the_products_of_an_order_make_its_total_exactly(quantity: int, coupons: tuple[str, ...]) -> None:
    order = order_from(offer(*coupons, quantity=quantity))
    items = order_items(order, ENTRIES, CONFIG)
    assert sum(item.quantity * item.unit_price.minor for item in items) == order.total.minor
    assert sum(item.quantity for item in items if item.entry_id == "01uINK") == quantity


@given(st.lists(st.integers(0, 10**9), max_size=8), st.floats(0, 1))
def test_shares_add_up_and_never_exceed_what_they_are_taken_from(weights: list[int], part: float) -> None:
    amount = int(sum(weights) * part)
    shares = spread(amount, weights)
    assert sum(shares) == amount
    assert all(0 <= share <= weight for share, weight in zip(shares, weights, strict=True))


@given(st.integers(0, 10**9), st.integers(1, 10**4))
def test_a_split_line_keeps_pieces_and_amount(amount: int, quantity: int) -> None:
    pieces = split(amount, quantity)
    assert sum(count for count, _ in pieces) == quantity
    assert sum(count * price for count, price in pieces) == amount


def test_an_order_that_does_not_add_up_is_refused() -> None:
    order = order_from(offer())
    with pytest.raises(TotalMismatch):
        order_items(replace(order, total=Money(minor=1, currency="EUR")), ENTRIES, CONFIG)


def test_an_order_of_a_test_thing_is_never_activated() -> None:
    order = replace(order_from(offer()), is_test=True)
    parts = order_parts(order, Parties(account_id="001"), order_items(order, ENTRIES, CONFIG), "01s", CONFIG)
    assert "activate" not in [part.reference for part in parts]
    assert str((parts[0].body or {})["Description"]).startswith("TEST")


def test_fields_that_an_organisation_lacks_are_neither_read_nor_written() -> None:
    lean = replace(CONFIG, fields=FieldNames(thing="", key="Ref__c"), currency="EUR")
    request, *_ = service_parts(service_request(), Parties(account_id="001", asset_id="02i"), lean)
    assert {"HubThing__c", "HubKey__c"}.isdisjoint(request.body or {})
    assert (request.body or {})["Ref__c"] == service_request().key
    assert "CurrencyIsoCode" not in record_fields(RecordKind.ORDER, lean)


def test_the_organisations_own_labels_are_understood() -> None:
    own = replace(CONFIG, statuses=StatusNames(meanings={"Abgeschlossen": RecordStatus.FULFILLED}))
    assert status_of({"Status": "Abgeschlossen"}, own) is RecordStatus.FULFILLED
    assert status_of({"Status": "?", "StatusCode": "Canceled"}, own) is RecordStatus.CANCELLED
    assert status_of({"Status": "?", "IsClosed": True}, own) is RecordStatus.FULFILLED


def test_a_things_key_is_safe_whatever_its_ids_hold() -> None:
    assert thing_key(OWNER, THING).isalnum()
    assert thing_key(OWNER, THING) != thing_key(OrderKey("x"), THING)


def test_a_literal_cannot_break_out_of_its_query() -> None:
    query = select(("Id",), "Account", (f"Name = {text(chr(92) + chr(39) + ' OR Id != null')}",))
    assert query == r"SELECT Id FROM Account WHERE Name = '\\\' OR Id != null'"
    assert "'" not in query_path(query)


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", Throttled),
        (400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access", Conflict),
        (412, "PRECONDITION_FAILED", "changed", Conflict),
        (403, "INSUFFICIENT_ACCESS", "no", Permanent),
        (400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", Permanent),
        (503, "SERVER_UNAVAILABLE", "busy", Transient),
    ],
)
def test_refusals_are_told_apart(status: int, code: str, message: str, expected: type) -> None:
    assert isinstance(refusal_of(status, [{"errorCode": code, "message": message}]), expected)


def test_the_daily_limit_waits_long_and_the_concurrent_one_short() -> None:
    daily = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]
    said = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
    concurrent = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": said}]
    waits = [
        refusal.retry_after_s for body in (daily, concurrent) if isinstance(refusal := refusal_of(403, body), Throttled)
    ]
    assert waits == [LONG_WAIT_S, SHORT_WAIT_S]


def test_the_used_share_of_the_daily_limit_is_read() -> None:
    assert quota_share("api-usage=18/20; per-app-api-usage=17/250(appName=x)") == 0.9
    assert quota_share("") is None
    assert quota_share("api-usage=1/0") is None


def at(hour: float, day: int = 23) -> datetime:
    return datetime(2026, 11, day, tzinfo=UTC) + timedelta(hours=hour)


def technicians(zone: str, busy: tuple[tuple[float, float], ...], query: AppointmentQuery) -> Any:
    member = {"ServiceResourceId": "0Hn1", "ServiceResource": {"Name": "Ada"}, "OperatingHoursId": "0OH1"}
    hours = {"OperatingHoursId": "0OH1", "OperatingHours": {"TimeZone": zone}, "DayOfWeek": "Monday"}
    shift = {**hours, "StartTime": "08:00:00.000Z", "EndTime": "12:00:00.000Z"}
    spans = [(at(start).isoformat(), at(end).isoformat()) for start, end in busy]
    taken = [
        {"ServiceResourceId": "0Hn1", "ServiceAppointment": {"SchedStartTime": start, "SchedEndTime": end}}
        for start, end in spans
    ]
    return crew(([member], [shift], taken, []), query)


def starts(zone: str = "UTC", busy: tuple[tuple[float, float], ...] = (), begin: float = 0) -> list[float]:
    query = AppointmentQuery(
        service_key=OrderKey("K"), record_id="0WO", duration_minutes=60, not_before=at(begin), not_after=at(24)
    )
    found = free_times(technicians(zone, busy, query), query, timedelta(minutes=60))
    return [(slot.starts_at - at(0)).total_seconds() / 3600 for slot in found]


def test_free_times_are_working_hours_less_what_is_taken() -> None:
    assert starts() == [8, 9, 10, 11]
    assert starts(busy=((8.5, 9.5),)) == [10, 11]
    assert starts(busy=((9, 10),), begin=8.25) == [10, 11]


def test_working_hours_are_in_the_technicians_own_time_zone() -> None:
    assert starts("Asia/Tokyo") == [0, 1, 2]
    assert starts("America/New_York") == [13, 14, 15, 16]


def test_an_unknown_time_zone_is_an_error_and_not_utc() -> None:
    with pytest.raises(KeyError):
        starts("Mars/Olympus")


def test_a_change_within_the_same_second_is_told_and_nothing_is_told_twice() -> None:
    first = {"Id": "801A", "SystemModstamp": "2026-11-23T08:00:00.000+0000", "Status": "Draft"}
    other = {"Id": "801B", "SystemModstamp": "2026-11-23T08:00:00.000+0000", "Status": "Draft"}
    fresh, mark = unseen([first, other], Mark(), CONFIG)
    assert fresh == [first, other]
    again, after = unseen(
        [{**first, "Status": "Activated"}, other], parse_cursor(write_cursor({"Order": mark}))["Order"], CONFIG
    )
    assert [row["Id"] for row in again] == ["801A"]
    assert unseen([], after, CONFIG) == ([], Mark(newest=after.newest, seen={}))


def test_a_foreign_cursor_is_refused() -> None:
    with pytest.raises(BadCursor):
        parse_cursor("2026-11-23")


@pytest.mark.parametrize("url", ["http://acme.my.salesforce.com", "ftp://x", "acme", "https://"])
def test_the_secret_is_never_sent_in_clear(url: str) -> None:
    with pytest.raises(ValueError, match="login_url"):
        replace(CONFIG, login_url=url)
