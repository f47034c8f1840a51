"""The shipped manifests against sandboxes that speak the vendors' wires."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from actors.model.secrets import Secret
from actors.ports import CrmAdapter
from crm_adapters.rest import SPEC, RestConfig
from crm_adapters.rest.sandbox.vendors import ERPNEXT, HUBSPOT, ODOO, SERVICENOW
from crm_adapters.testing import CrmAdapterContract, deps


class VendorContract(CrmAdapterContract):
    variables: Mapping[str, str] = {}

    def open_adapter(self, base_url: str, *, wrong_credentials: bool) -> AbstractAsyncContextManager[CrmAdapter]:
        given = {"api_key": "", "username": "", "password": "", "webhook_secret": "", **self.sandbox.credentials}
        secret = "password" if given["password"] else "api_key"
        given |= {secret: "wrong"} if wrong_credentials else {}
        credentials: dict[str, Any] = {name: Secret(value) for name, value in given.items() if name != "username"}
        config = RestConfig(
            base_url=base_url,
            internal_hosts=("127.0.0.1",),
            manifest=self.sandbox.name,
            username=given["username"],
            variables=dict(self.variables),
            read_timeout_s=3.0,
            total_timeout_s=4.0,
            **credentials,
        )
        return SPEC.open(config, deps())


class TestOdoo(VendorContract):
    sandbox = ODOO
    in_steps = True
    writes = r"^POST \S*/(create|action_confirm|action_cancel)$"


class TestHubSpot(VendorContract):
    sandbox = HUBSPOT
    credentials = {"webhook_url": "https://hub.example/crm/hubspot/webhook"}
    variables = credentials
    writes = r"^(POST \S*/objects/(orders|tickets)|PATCH )"


class TestServiceNow(VendorContract):
    sandbox = SERVICENOW
    in_steps = True


class TestErpNext(VendorContract):
    sandbox = ERPNEXT
    in_steps = True
    variables = {"company": "Seller"}
