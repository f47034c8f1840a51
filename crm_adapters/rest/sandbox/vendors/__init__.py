"""Sandboxes of systems that manifests are shipped for: one engine, each system declared in a TOML file and its wire."""

from crm_adapters.rest.sandbox.vendors.sandbox import vendor_spec
from crm_adapters.rest.sandbox.vendors.wires.erpnext import ErpNextWire
from crm_adapters.rest.sandbox.vendors.wires.hubspot import HubSpotWire
from crm_adapters.rest.sandbox.vendors.wires.odoo import OdooWire
from crm_adapters.rest.sandbox.vendors.wires.servicenow import ServiceNowWire

ODOO = vendor_spec("odoo", "Odoo 19, JSON-2", OdooWire, {"api_key": "not-a-key-odoo"})
HUBSPOT = vendor_spec(
    "hubspot",
    "HubSpot, CRM objects v3",
    HubSpotWire,
    {"api_key": "not-a-key-hubspot", "webhook_secret": "not-a-secret-of-webhooks"},
)
SERVICENOW = vendor_spec(
    "servicenow",
    "ServiceNow, Table API",
    ServiceNowWire,
    {"username": "iot2crm", "password": "not-a-password-servicenow"},
)
ERPNEXT = vendor_spec(
    "erpnext",
    "ERPNext, Frappe REST v1",
    ErpNextWire,
    {
        "username": "not-a-key-erpnext",
        "password": "not-a-secret-erpnext",
        "webhook_secret": "not-a-secret-of-webhooks",
    },
)
