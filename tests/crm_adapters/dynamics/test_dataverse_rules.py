"""The platform's own logic: prices, states, schedules."""

from typing import Any


def totals(crm: Any, order: str) -> dict[str, float]:
    return crm("GET", f"salesorders({order})?$select=totalamount,totaltax,totallineitemamount,pricingerrorcode").body


def test_an_order_is_priced_from_its_price_list(crm: Any) -> None:
    order = crm.order(order_details=[crm.line(tax=7.5)], freightamount=4.9, discountamount=1)
    priced = totals(crm, order)
    assert (priced["totallineitemamount"], priced["totaltax"], priced["totalamount"]) == (71.8, 7.5, 83.2)


def test_a_price_can_be_imposed(crm: Any) -> None:
    order = crm.order(order_details=[crm.line(ispriceoverridden=True, priceperunit=10)])
    assert totals(crm, order)["totalamount"] == 20


def test_a_product_without_a_price_is_flagged(crm: Any) -> None:
    price_list = crm.one("pricelevel", name="Things")["pricelevelid"]
    prices = crm("GET", f"productpricelevels?$filter=_pricelevelid_value eq {price_list}").body["value"]
    for price in prices:
        crm("DELETE", f"productpricelevels({price['productpricelevelid']})")
    order = crm.order(order_details=[crm.line()])
    assert (totals(crm, order)["pricingerrorcode"], totals(crm, order)["totalamount"]) == (11, 0)


def test_an_unpublished_product_cannot_be_ordered(crm: Any) -> None:
    product = crm.one("product", productnumber="INK-XL-BK")["productid"]
    crm("PATCH", f"products({product})", {"statecode": 1})
    order = crm.order()
    said = crm("POST", "salesorderdetails", {"salesorderid@odata.bind": f"/salesorders({order})", **crm.line()})
    assert said.status == 400
    assert "not published" in said.message


def test_a_write_in_line_needs_a_description(crm: Any) -> None:
    order = crm.order()
    bind = {"salesorderid@odata.bind": f"/salesorders({order})", "isproductoverridden": True, "quantity": 1}
    assert crm("POST", "salesorderdetails", bind).status == 400
    said = crm("POST", "salesorderdetails", {**bind, "productdescription": "Shipping", "priceperunit": 4.9})
    assert said.status == 204
    assert totals(crm, order)["totalamount"] == 4.9


def test_a_deep_insert_is_all_or_nothing(crm: Any) -> None:
    price_list = crm.one("pricelevel", name="Things")["pricelevelid"]
    body = {
        "name": "Ink",
        "customerid_account@odata.bind": "/accounts(accountnumber='owner-1')",
        "pricelevelid@odata.bind": f"/pricelevels({price_list})",
        "order_details": [crm.line(), {"quantity": 1}],
    }
    assert crm("POST", "salesorders", body).status == 400
    assert crm.environment.rows("salesorder") == crm.environment.rows("salesorderdetail") == ()


def test_rows_are_not_nested_in_an_update(crm: Any) -> None:
    order = crm.order()
    said = crm("PATCH", f"salesorders({order})", {"order_details": [crm.line()]})
    assert (said.status, said.code) == (400, "0x80048d19")


def test_only_an_active_order_is_edited(crm: Any) -> None:
    order = crm.order(order_details=[crm.line()])
    assert crm("PATCH", f"salesorders({order})", {"statecode": 1, "statuscode": 3}).status == 204
    assert crm("PATCH", f"salesorders({order})", {"description": "late"}).status == 400
    bind = {"salesorderid@odata.bind": f"/salesorders({order})"}
    assert crm("POST", "salesorderdetails", {**bind, **crm.line()}).status == 400


def test_an_order_is_closed_by_its_actions_alone(crm: Any) -> None:
    order = crm.order()
    assert crm("PATCH", f"salesorders({order})", {"statecode": 2}).status == 400
    closing = {"OrderClose": {"subject": "x", "salesorderid@odata.bind": f"/salesorders({order})"}}
    assert crm("POST", "CancelSalesOrder", closing).status == 400
    assert crm("POST", "CancelSalesOrder", {**closing, "Status": 100001}).status == 400
    assert crm("POST", "CancelSalesOrder", {**closing, "Status": -1}).status == 204
    assert crm.one("salesorder", salesorderid=order)["statuscode"] == 4
    assert crm("POST", "FulfillSalesOrder", {**closing, "Status": -1}).status == 400


def test_a_case_is_resolved_by_its_action(crm: Any) -> None:
    crm("POST", "incidents", {"title": "x", "customerid_account@odata.bind": "/accounts(accountnumber='owner-1')"})
    case = crm.environment.rows("incident")[0]["incidentid"]
    assert crm("PATCH", f"incidents({case})", {"statecode": 1}).status == 400
    body = {"IncidentResolution": {"subject": "done", "incidentid@odata.bind": f"/incidents({case})"}, "Status": 5}
    assert crm("POST", "CloseIncident", body).status == 204
    assert crm.environment.rows("incident")[0]["statecode"] == 1
    assert crm("POST", "CloseIncident", body).status == 400


def booked(crm: Any, status: str = "Scheduled") -> str:
    technician = crm.one("bookableresource", name="Ada Berg")["bookableresourceid"]
    status_id = crm.one("bookingstatus", name=status)["bookingstatusid"]
    body = {
        "starttime": "2026-11-24T09:00:00Z",
        "endtime": "2026-11-24T10:00:00Z",
        "duration": 60,
        "bookingtype": 1,
        "Resource@odata.bind": f"/bookableresources({technician})",
        "BookingStatus@odata.bind": f"/bookingstatuses({status_id})",
        "msdyn_workorder@odata.bind": "/msdyn_workorders(new_hubkey='W1')",
    }
    assert crm("PATCH", "bookableresourcebookings(new_hubkey='B1')", body).status == 204
    return str(crm.one("msdyn_workorder", new_hubkey="W1")["msdyn_systemstatus"])


def test_a_booking_schedules_its_work_order_and_its_end_frees_it(crm: Any) -> None:
    crm("PATCH", "msdyn_workorders(new_hubkey='W1')", {})
    assert booked(crm) == "690970001"
    canceled = crm.one("bookingstatus", name="Canceled")["bookingstatusid"]
    bind = {"BookingStatus@odata.bind": f"/bookingstatuses({canceled})"}
    crm("PATCH", "bookableresourcebookings(new_hubkey='B1')", bind)
    assert crm.one("msdyn_workorder", new_hubkey="W1")["msdyn_systemstatus"] == 690970000


def test_a_canceled_work_order_stays_canceled(crm: Any) -> None:
    crm("PATCH", "msdyn_workorders(new_hubkey='W1')", {})
    assert crm("PATCH", "msdyn_workorders(new_hubkey='W1')", {"msdyn_systemstatus": 690970005}).status == 204
    assert crm("PATCH", "msdyn_workorders(new_hubkey='W1')", {"msdyn_systemstatus": 690970000}).code == "0x80040265"
