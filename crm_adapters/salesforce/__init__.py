"""Salesforce REST."""

from actors.ports import CrmSpec
from crm_adapters.salesforce.adapter import open_salesforce
from crm_adapters.salesforce.config import SalesforceConfig

SPEC = CrmSpec(
    name="salesforce",
    title="Salesforce",
    config_type=SalesforceConfig,
    open=open_salesforce,
)
