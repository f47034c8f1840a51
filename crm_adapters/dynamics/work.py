"""Calls for help and visits as the requests that make, move and cancel them. Pure."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.model.orders import AppointmentBooking, AppointmentMove, RecordKind, ServiceRequest
from actors.model.things import Place
from crm_adapters.dynamics.addresses import by_id, by_key
from crm_adapters.dynamics.batch import Operation
from crm_adapters.dynamics.config import DynamicsConfig, ServiceTable
from crm_adapters.dynamics.mapping import CREATE_ONLY, UPDATE_ONLY, account_address, asset_address, written_time
from crm_adapters.dynamics.records import BOOKINGS, INCIDENTS, WORK_ORDERS, table_of

Body = dict[str, Any]

SOLID_BOOKING: Final = 1


class ServiceReferences(Struct, frozen=True, kw_only=True):
    """Ids that a service request names; "" leaves the lookup out."""

    price_list_id: str = ""
    work_order_type_id: str = ""


def service_operations(
    request: ServiceRequest, references: ServiceReferences, config: DynamicsConfig
) -> list[Operation]:
    """Return the changeset that makes a work order or a case, with an alert that it answers where those are wanted."""
    table = table_of(RecordKind.SERVICE, config)
    is_work = config.service_table is ServiceTable.WORK_ORDER
    body = _work_body(request, references, config) if is_work else _case_body(request, config)
    path = by_key(table.entity_set, config.columns.key, request.key)
    if not config.iot_alerts:
        return [Operation(method="PATCH", path=path, body=body, headers=CREATE_ONLY)]
    body[f"{config.navigation.alert}@odata.bind"] = "$1"
    return [
        Operation(method="POST", path="msdyn_iotalerts", body=_alert_body(request, config)),
        Operation(method="PATCH", path=path, body=body, headers=CREATE_ONLY),
    ]


def booking_operation(booking: AppointmentBooking, status_id: str, config: DynamicsConfig) -> Operation:
    """Return the create-only request that books a slot."""
    names = config.navigation
    slot = booking.slot
    work_order = by_key(WORK_ORDERS.entity_set, config.columns.key, booking.service_key)
    body: Body = {
        "starttime": written_time(slot.starts_at),
        "endtime": written_time(slot.ends_at),
        "duration": int((slot.ends_at - slot.starts_at).total_seconds() // 60),
        "bookingtype": SOLID_BOOKING,
        config.columns.fingerprint: booking.fingerprint,
        **({config.columns.thing: booking.thing_id} if booking.thing_id else {}),
        f"{names.resource}@odata.bind": f"/bookableresources({slot.reference})",
        f"{names.booking_status}@odata.bind": f"/bookingstatuses({status_id})",
        f"{names.work_order}@odata.bind": f"/{work_order}",
        **config.extra.get(BOOKINGS.logical_name, {}),
    }
    path = by_key(BOOKINGS.entity_set, config.columns.key, booking.key)
    return Operation(method="PATCH", path=path, body=body, headers=CREATE_ONLY)


def move_operation(booking_id: str, etag: str, move: AppointmentMove, config: DynamicsConfig) -> Operation:
    """Return the request that moves a booking as we read it; if somebody changed it since, it is refused."""
    slot = move.slot
    body: Body = {
        "starttime": written_time(slot.starts_at),
        "endtime": written_time(slot.ends_at),
        "duration": int((slot.ends_at - slot.starts_at).total_seconds() // 60),
        f"{config.navigation.resource}@odata.bind": f"/bookableresources({slot.reference})",
    }
    path = by_id(BOOKINGS.entity_set, booking_id)
    return Operation(method="PATCH", path=path, body=body, headers={"If-Match": etag})


def cancel_booking_operation(booking_id: str, canceled_status_id: str, config: DynamicsConfig) -> Operation:
    """Return the request that cancels a booking."""
    body: Body = {f"{config.navigation.booking_status}@odata.bind": f"/bookingstatuses({canceled_status_id})"}
    return Operation(method="PATCH", path=by_id(BOOKINGS.entity_set, booking_id), body=body, headers=UPDATE_ONLY)


def _work_body(request: ServiceRequest, references: ServiceReferences, config: DynamicsConfig) -> Body:
    names = config.navigation
    binds = {
        names.service_account: f"/{account_address(request.owner_id, config)}",
        names.asset: f"/{asset_address(request.thing_id, config)}",
        names.service_price_list: f"/pricelevels({references.price_list_id})" if references.price_list_id else "",
        names.work_order_type: (
            f"/msdyn_workordertypes({references.work_order_type_id})" if references.work_order_type_id else ""
        ),
    }
    return {
        "msdyn_workordersummary": f"{request.title}\n{request.description}".strip()[:4000],
        "msdyn_primaryincidentdescription": f"{request.fault_code} {request.work}".strip()[:4000],
        "msdyn_instructions": f"Priority {request.priority}",
        "msdyn_totalestimatedduration": request.duration_minutes,
        "msdyn_systemstatus": 690970000,
        "msdyn_taxable": False,
        config.columns.fingerprint: request.fingerprint,
        config.columns.thing: request.thing_id,
        **_work_address(request.site),
        **{f"{navigation}@odata.bind": target for navigation, target in binds.items() if target},
        **config.extra.get(WORK_ORDERS.logical_name, {}),
    }


def _case_body(request: ServiceRequest, config: DynamicsConfig) -> Body:
    detail = f"{request.description}\nFault {request.fault_code}. Work: {request.work}. Thing {request.thing_id}"
    return {
        "title": request.title[:200],
        "description": f"{detail} {request.thing_serial}".strip()[:2000],
        "prioritycode": request.priority,
        "caseorigincode": config.case_origin,
        "casetypecode": config.case_type,
        config.columns.fingerprint: request.fingerprint,
        config.columns.thing: request.thing_id,
        f"{config.navigation.customer}@odata.bind": f"/{account_address(request.owner_id, config)}",
        **config.extra.get(INCIDENTS.logical_name, {}),
    }


def _alert_body(request: ServiceRequest, config: DynamicsConfig) -> Body:
    told = {"fault_code": request.fault_code, "priority": request.priority, "correlation_id": request.correlation_id}
    body: Body = {
        "msdyn_description": request.title[:100],
        "msdyn_alerttime": written_time(request.requested_at),
        "msdyn_alertdata": msgspec.json.encode(told).decode(),
        "msdyn_alerttoken": request.key,
        "msdyn_deviceid": request.thing_id,
        **config.extra.get("msdyn_iotalert", {}),
    }
    if config.work_orders:
        body[f"{config.navigation.alert_asset}@odata.bind"] = f"/{asset_address(request.thing_id, config)}"
    return body


def _work_address(site: Place) -> Body:
    parts = {
        "msdyn_addressname": site.name,
        "msdyn_address1": site.street,
        "msdyn_postalcode": site.postal_code,
        "msdyn_city": site.city,
        "msdyn_country": site.country,
    }
    return {name: text[:100] for name, text in parts.items() if text}
