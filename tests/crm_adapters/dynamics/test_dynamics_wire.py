"""Batches, offers, free times and cursors: the pure parts around the requests."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from actors.model.ids import OrderKey
from actors.model.money import Money
from actors.model.offers import OfferQuery
from actors.model.orders import AppointmentQuery
from actors.model.outcomes import Permanent
from actors.model.secrets import Secret
from crm_adapters.dynamics import DynamicsConfig
from crm_adapters.dynamics.batch import MalformedBatch, Operation, batch_content, read_batch
from crm_adapters.dynamics.changes import Watermark, read_cursor, table_changes, write_cursor
from crm_adapters.dynamics.config import WorkingHours
from crm_adapters.dynamics.failures import WireAnswer
from crm_adapters.dynamics.offers import offer_of, read_listings
from crm_adapters.dynamics.records import WORK_ORDERS
from crm_adapters.dynamics.slots import Busy, free_slots

CONFIG = DynamicsConfig(org_url="https://crm.test", tenant="t", client_id="c", client_secret=Secret("s"))
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)

REPLY = b"""--r\r
Content-Type: multipart/mixed; boundary=c\r
\r
--c\r
Content-Type: application/http\r
Content-ID: 1\r
\r
HTTP/1.1 204 No Content\r
OData-EntityId: https://crm.test/x(1)\r
\r
\r
--c--\r
--r\r
Content-Type: application/http\r
\r
HTTP/1.1 200 OK\r
Content-Type: application/json\r
\r
{"name": "x"}\r
--r--\r
"""


def test_a_batch_has_crlf_lines_and_exact_amounts() -> None:
    operation = Operation(method="POST", path="tasks", body={"amount": Decimal("12.3456789012345678")})
    media_type, content = batch_content("https://crm.test/", [], [operation], [Operation(method="GET", path="tasks")])
    assert media_type.startswith("multipart/mixed")
    assert content.count(b"\n") == content.count(b"\r\n")
    assert b'{"amount":12.3456789012345678}' in content
    assert b"\r\nGET https://crm.test/tasks HTTP/1.1\r\n" in content


def test_a_batch_reply_is_read_part_by_part() -> None:
    changeset, reading = read_batch("multipart/mixed; boundary=r", REPLY)
    assert isinstance(changeset, list)
    assert changeset[0].headers["odata-entityid"] == "https://crm.test/x(1)"
    assert isinstance(reading, WireAnswer)
    assert (reading.status, reading.body) == (200, {"name": "x"})


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        ("application/json", REPLY),
        ("multipart/mixed", REPLY),
        ("multipart/mixed; boundary=r", REPLY[:-8]),
        ("multipart/mixed; boundary=r", REPLY.replace(b"HTTP/1.1 200", b"FTP 200")),
        ("multipart/mixed; boundary=r", REPLY.replace(b'"x"}', b'"x')),
        ("multipart/mixed; boundary=r", b""),
    ],
)
def test_a_broken_batch_reply_is_no_answer(media_type: str, content: bytes) -> None:
    with pytest.raises(MalformedBatch):
        read_batch(media_type, content)


def price(name: str, amount: float, **product: Any) -> dict[str, Any]:
    return {
        "amount": amount,
        "_productid_value": "p",
        "_uomid_value": "u",
        "_pricelevelid_value": f"list-{name}",
        "_transactioncurrencyid_value": "c",
        "pricelevelid": {"name": name},
        "productid": {"productnumber": "INK", "name": "Ink", **product},
    }


QUERY = OfferQuery(skus=("INK",), quantity=3, currency="EUR", coupons=("SAVE",))


def test_an_offer_is_the_peoples_price_less_the_machines_discount_plus_shipping_and_tax() -> None:
    details = {"new_shippingminor": 490, "new_taxpercent": 19.0, "new_deliverydays": 2}
    (listing,) = read_listings([price("List", 39.9, **details), price("Things", 35.9, **details)], "EUR", CONFIG)
    offer = offer_of(listing, QUERY, "crm", CONFIG)
    assert [amount.minor for amount in (offer.goods, offer.discounts[0].amount, offer.shipping)] == [11970, 1200, 490]
    assert (offer.tax.minor, offer.landed.minor, offer.delivery_days) == (2139, 13399, 2.0)
    assert offer.references["pricelevelid"] == "list-Things"
    assert [(coupon.code, coupon.reason) for coupon in offer.refused_coupons] == [("SAVE", "discount_code_invalid")]


def test_the_best_coupon_counts_and_the_others_say_why_not() -> None:
    (listing,) = read_listings([price("Things", 10.0, new_coupons="A=5; B=7.5;C=x")], "EUR", CONFIG)
    offer = offer_of(listing, replace(QUERY, coupons=("A", "B", "C")), "crm", CONFIG)
    assert [(discount.title, discount.amount.minor) for discount in offer.discounts] == [("coupon B", 225)]
    assert {coupon.code: coupon.reason for coupon in offer.refused_coupons} == {
        "A": "discount_code_combination_disallowed",
        "C": "discount_code_invalid",
    }
    assert offer.landed.minor == 2775


@pytest.mark.parametrize("name", ["List", "Things"])
def test_one_price_list_is_enough(name: str) -> None:
    (listing,) = read_listings([price(name, 39.9)], "EUR", CONFIG)
    offer = offer_of(listing, QUERY, "crm", CONFIG)
    assert (offer.discounts, offer.landed) == ((), Money(minor=11970, currency="EUR"))


def query(begin: datetime, end: datetime, minutes: int = 60) -> AppointmentQuery:
    key = OrderKey("K")
    return AppointmentQuery(service_key=key, record_id="r", duration_minutes=minutes, not_before=begin, not_after=end)


def test_free_times_lie_in_working_hours_earliest_first() -> None:
    hours = WorkingHours(days=(1, 2), from_hour=8, to_hour=10, step_minutes=60)
    slots = free_slots(query(MONDAY, MONDAY + timedelta(days=7)), {"1": "Noor", "2": "Ada"}, [], hours, 40)
    starts = [(slot.starts_at - MONDAY, slot.resource) for slot in slots]
    assert starts[:4] == [
        (timedelta(hours=8), "Ada"),
        (timedelta(hours=8), "Noor"),
        (timedelta(hours=9), "Ada"),
        (timedelta(hours=9), "Noor"),
    ]
    assert len(slots) == 8


def test_booked_times_are_not_free() -> None:
    busy = [Busy(resource_id="1", starts_at=MONDAY + timedelta(hours=8.5), ends_at=MONDAY + timedelta(hours=9))]
    hours = WorkingHours(from_hour=8, to_hour=10, step_minutes=30)
    slots = free_slots(query(MONDAY, MONDAY + timedelta(days=1)), {"1": "Ada"}, busy, hours, 40)
    assert [slot.starts_at for slot in slots] == [MONDAY + timedelta(hours=9)]


def test_working_hours_follow_their_time_zone() -> None:
    hours = WorkingHours(from_hour=8, to_hour=9, time_zone="Europe/Berlin")
    slots = free_slots(query(MONDAY, MONDAY + timedelta(days=1)), {"1": "Ada"}, [], hours, 40)
    assert [slot.starts_at for slot in slots] == [MONDAY + timedelta(hours=7)]


def row(number: int, second: int, version: int) -> dict[str, Any]:
    return {
        "@odata.etag": f'W/"{version}"',
        "msdyn_workorderid": f"id-{number}",
        "msdyn_name": str(number),
        "msdyn_systemstatus": 690970000,
        "new_hubkey": f"K{number}",
        "modifiedon": f"2026-11-23T08:00:{second:02d}Z",
    }


def test_a_version_in_the_overlap_is_told_once() -> None:
    first = table_changes(WORK_ORDERS, [row(1, 0, 1), row(2, 30, 2)], Watermark(), CONFIG)
    assert [record.key for record in first.records] == ["K1", "K2"]
    assert first.mark.since == datetime(2026, 11, 23, 8, 0, 25, tzinfo=UTC)
    second = table_changes(WORK_ORDERS, [row(3, 28, 3), row(2, 30, 2)], first.mark, CONFIG)
    assert [record.key for record in second.records] == ["K3"]
    third = table_changes(WORK_ORDERS, [row(3, 28, 3), row(2, 30, 4)], second.mark, CONFIG)
    assert [record.key for record in third.records] == ["K2"]


def test_nothing_new_keeps_the_mark() -> None:
    mark = Watermark(since=MONDAY, told={"id-1": "x"})
    assert table_changes(WORK_ORDERS, [], mark, CONFIG).mark == mark


def test_a_cursor_survives_being_written() -> None:
    marks = {"salesorder": Watermark(since=MONDAY, told={"a": "b"})}
    assert read_cursor(write_cursor(marks)) == marks
    assert read_cursor("") == {}
    assert isinstance(read_cursor("yesterday"), Permanent)


def test_no_overlap_is_allowed() -> None:
    changes = table_changes(WORK_ORDERS, [row(1, 30, 1)], Watermark(), replace(CONFIG, changes_overlap_s=0))
    assert changes.mark.told == {"id-1": 'W/"1"'}
