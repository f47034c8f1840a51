"""Any REST system, described by a manifest."""

from actors.ports import CrmSpec
from crm_adapters.rest.adapter import open_rest
from crm_adapters.rest.config import RestConfig

SPEC = CrmSpec(name="rest", title="Any REST system, described by a manifest", config_type=RestConfig, open=open_rest)
