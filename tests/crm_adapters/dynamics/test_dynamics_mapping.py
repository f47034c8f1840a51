"""Orders and service requests as requests, rows as records: without a network."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.model.ids import OfferId
from actors.model.money import Money
from actors.model.offers import Offer
from actors.model.orders import AppointmentMove, PurchaseOrder, RecordKind, TimeSlot
from actors.model.outcomes import Permanent, RecordStatus
from actors.model.secrets import Secret
from crm_adapters.dynamics import DynamicsConfig
from crm_adapters.dynamics.config import AmountPlace, ServiceTable
from crm_adapters.dynamics.mapping import (
    OrderReferences,
    account_operation,
    asset_operation,
    order_references,
    place_operations,
    spread,
    total_mismatch,
)
from crm_adapters.dynamics.records import ORDERS, is_unsubmitted, read_record, table_of
from crm_adapters.dynamics.work import (
    ServiceReferences,
    move_operation,
    service_operations,
)
from crm_adapters.testing import order_from, service_request
from crm_adapters.testing.samples import BEGIN, BOOKING_KEY

GUID = "00000000-0000-0000-0000-00000000000"
CONFIG = DynamicsConfig(
    org_url="https://plant.crm4.dynamics.com/", tenant="t", client_id="c", client_secret=Secret("s")
)
REFERENCES = OrderReferences(price_list_id=GUID + "1", currency_id=GUID + "2", products={1: (GUID + "3", GUID + "4")})


def eur(minor: int) -> Money:
    return Money(minor=minor, currency="EUR")


def order(**references: str) -> PurchaseOrder:
    offer = Offer(
        offer_id=OfferId("o"),
        connection="crm",
        seller="crm",
        sku="INK-XL-BK",
        title="Black ink",
        quantity=2,
        unit_price=eur(3990),
        goods=eur(7980),
        shipping=eur(490),
        tax=eur(1457),
        landed=eur(9127),
        references=references,
    )
    return order_from(offer)


def placed(config: DynamicsConfig = CONFIG) -> list[Any]:
    return place_operations(order(), REFERENCES, config)


def test_an_order_is_a_create_only_header_its_lines_and_its_submission() -> None:
    header, line, submission = placed()
    assert (header.method, header.path) == ("PATCH", "salesorders(new_hubkey='I2CTESTORDER0000000000000001')")
    assert header.headers == {"If-None-Match": "*"}
    assert "new_hubkey" not in header.body
    assert line.body["salesorderid@odata.bind"] == f"/{header.path}"
    assert (submission.path, submission.body) == (header.path, {"statecode": 1, "statuscode": 3})


def test_the_amounts_of_an_order_stand_in_their_columns() -> None:
    header, line, _ = placed()
    assert header.body["freightamount"] == Decimal("4.90")
    assert header.body["discountamount"] == Decimal("8.00")
    assert (line.body["priceperunit"], line.body["quantity"], line.body["tax"]) == (
        Decimal("39.90"),
        2,
        Decimal("14.57"),
    )
    assert line.body["ispriceoverridden"] is True


def test_shipping_and_tax_can_be_write_in_lines() -> None:
    operations = placed(replace(CONFIG, shipping_in=AmountPlace.LINE, tax_in=AmountPlace.LINE, submit_orders=False))
    added = [(op.body["productdescription"], op.body["priceperunit"]) for op in operations[2:]]
    assert added == [("Shipping", Decimal("4.90")), ("Tax", Decimal("14.57"))]
    assert "freightamount" not in operations[0].body
    assert "tax" not in operations[1].body


def test_a_test_order_stays_a_draft_that_says_so() -> None:
    operations = place_operations(replace(order(), is_test=True), REFERENCES, CONFIG)
    assert [operation.method for operation in operations] == ["PATCH", "POST"]
    assert operations[0].body is not None
    assert operations[0].body["name"] == "TEST 2 x Black ink"


def test_extra_columns_are_sent_with_their_table() -> None:
    config = replace(CONFIG, extra={"salesorder": {"new_costcentre": "K7"}, "msdyn_workorder": {"new_shift": 2}})
    assert placed(config)[0].body["new_costcentre"] == "K7"
    (operation,) = service_operations(service_request(), ServiceReferences(), config)
    assert (operation.body or {})["new_shift"] == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"total": eur(9128)}, "total_mismatch"),
        ({"tax": Money(minor=1457, currency="USD")}, "mixed_currencies"),
        ({"lines": ()}, "no_lines"),
    ],
)
def test_an_order_that_does_not_add_up_is_not_sent(change: dict[str, Any], code: str) -> None:
    refusal = total_mismatch(replace(order(), **change))
    assert isinstance(refusal, Permanent)
    assert refusal.code == code


def test_the_offers_own_ids_are_used_when_they_are_ids() -> None:
    ids = {
        "productid": GUID + "3",
        "uomid": GUID + "4",
        "pricelevelid": GUID + "1",
        "transactioncurrencyid": GUID + "2",
    }
    assert order_references(order(**ids)) == REFERENCES
    assert order_references(order(**{**ids, "uomid": "x)/accounts("})) is None
    assert order_references(order()) is None


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**7), min_size=1, max_size=20))
def test_spreading_loses_nothing(minor: int, weights: list[int]) -> None:
    parts = spread(eur(minor), weights)
    assert sum(parts) == minor
    assert all(part >= 0 for part in parts)


def test_a_service_request_is_a_work_order_at_the_owners_for_the_thing() -> None:
    references = ServiceReferences(price_list_id=GUID + "1", work_order_type_id=GUID + "5")
    (operation,) = service_operations(service_request(), references, CONFIG)
    body = operation.body
    assert body is not None
    assert body["msdyn_serviceaccount@odata.bind"] == "/accounts(accountnumber='owner-1')"
    assert body["msdyn_customerasset@odata.bind"] == "/msdyn_customerassets(new_hubkey='printer-7')"
    assert body["msdyn_workordertype@odata.bind"] == f"/msdyn_workordertypes({GUID}5)"
    assert (body["new_thingid"], body["msdyn_totalestimatedduration"]) == ("printer-7", 60)


def test_a_service_request_can_be_a_case() -> None:
    (operation,) = service_operations(
        service_request(), ServiceReferences(), replace(CONFIG, service_table=ServiceTable.INCIDENT)
    )
    assert operation.path.startswith("incidents(new_hubkey=")
    assert operation.body is not None
    assert (operation.body["prioritycode"], operation.body["caseorigincode"]) == (2, 700610000)


def test_owner_and_thing_are_introduced_create_only() -> None:
    config = replace(CONFIG, account_numbers={"owner-1": "D'Arc/4"})
    account = account_operation("owner-1", config)
    asset = asset_operation(service_request(), config)
    assert (account.path, account.headers) == ("accounts(accountnumber='D''Arc%2F4')", {"If-None-Match": "*"})
    assert asset.body is not None
    assert asset.body["msdyn_account@odata.bind"] == f"/{account.path}"


ORDER_ROW: dict[str, Any] = {
    "salesorderid": GUID + "9",
    "ordernumber": "ORD-1",
    "new_hubkey": "K",
    "new_hubfingerprint": "f",
    "totalamount": 91.27,
    "transactioncurrencyid": {"isocurrencycode": "EUR"},
    "modifiedon": "2026-11-23T08:00:00Z",
    "statecode": 0,
    "statuscode": 1,
}


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (0, RecordStatus.OPEN),
        (1, RecordStatus.CONFIRMED),
        (2, RecordStatus.CANCELLED),
        (3, RecordStatus.FULFILLED),
        (4, RecordStatus.FULFILLED),
    ],
)
def test_an_orders_state_has_a_meaning(state: int, status: RecordStatus) -> None:
    record = read_record(ORDERS, {**ORDER_ROW, "statecode": state}, CONFIG)
    assert (record.status, record.total) == (status, eur(9127))
    assert record.changed_at == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert record.url.startswith("https://plant.crm4.dynamics.com/main.aspx?etn=salesorder&id=")


def test_an_order_on_hold_is_a_persons_matter() -> None:
    assert is_unsubmitted(ORDER_ROW)
    assert not is_unsubmitted({**ORDER_ROW, "statuscode": 690970000})
    assert not is_unsubmitted({**ORDER_ROW, "statecode": 1, "statuscode": 3})


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (690970000, RecordStatus.OPEN),
        (690970001, RecordStatus.CONFIRMED),
        (690970002, RecordStatus.CONFIRMED),
        (690970003, RecordStatus.FULFILLED),
        (690970004, RecordStatus.FULFILLED),
        (690970005, RecordStatus.CANCELLED),
    ],
)
def test_a_work_orders_status_has_a_meaning(number: int, status: RecordStatus) -> None:
    row = {
        "msdyn_workorderid": GUID + "9",
        "msdyn_name": "00001",
        "new_hubkey": "K",
        "msdyn_systemstatus": number,
        "modifiedon": "2026-11-23T08:00:00Z",
    }
    assert read_record(table_of(RecordKind.SERVICE, CONFIG), row, CONFIG).status is status


def test_an_alert_is_posted_with_the_work_that_answers_it() -> None:
    alert, work = service_operations(service_request(), ServiceReferences(), replace(CONFIG, iot_alerts=True))
    assert (alert.method, alert.path) == ("POST", "msdyn_iotalerts")
    assert alert.body is not None
    assert alert.body["msdyn_customerasset@odata.bind"] == "/msdyn_customerassets(new_hubkey='printer-7')"
    assert work.body is not None
    assert work.body["msdyn_iotalert@odata.bind"] == "$1"


def test_a_booking_is_moved_only_as_it_was_read() -> None:
    slot = TimeSlot(starts_at=BEGIN, ends_at=BEGIN + timedelta(minutes=90), resource="Ada", reference=f"{GUID}9")
    move = move_operation(f"{GUID}1", 'W/"7"', AppointmentMove(key=BOOKING_KEY, slot=slot), CONFIG)
    assert (move.method, move.headers) == ("PATCH", {"If-Match": 'W/"7"'})
    assert move.body is not None
    assert (move.body["duration"], move.body["Resource@odata.bind"]) == (90, f"/bookableresources({GUID}9)")
