"""The columns: every CRM that has a sandbox, how a hub connects to it, and which of its requests the faults hit."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from random import Random
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.model.needs import NeedKind
from actors.model.secrets import Secret
from actors.ports import CrmAdapter, CrmDeps, CrmSpec
from crm_adapters.sandboxing import SandboxSpec
from hub.clock import SystemClock
from hub.fault_matrix.answers import DYNAMICS, ERPNEXT, HUBSPOT, ODOO, SALESFORCE, SERVICENOW, Answer
from hub.fault_matrix.premises import CONNECTION
from hub.plugins import SANDBOXES, Plugins

TIMEOUT_S: Final = 2.0
"""An adapter's deadline: far above what a sandbox takes, so that nothing but a fault misses it."""
SETTLE_S: Final = 1.2
"""How long an absent record proves nothing: above what ``late_commit`` takes, below what ``very_late_commit`` does."""
_OUR_KEY: Final = "I2C(?!PROBE)"
"""Begins every key; the desk's probes have one that no order can have."""

Config = Callable[[str, Mapping[str, str]], dict[str, Any]]
"""What an operator would write, from the sandbox's address and its development credentials."""


class Role(StrEnum):
    """What the request that is hit is for."""

    RECORD = "record"
    """It makes the record."""
    STEP = "step"
    """It prepares the record or finishes it."""
    READ = "read"
    """It looks whether there is a record already."""
    SIGN_IN = "sign_in"


class Flow(Struct, frozen=True, kw_only=True):
    """What is hit on the way of a need: the request that writes, and the one that looks up what was written.

    Expressions are searched in ``METHOD /path?query``, from a person's approval on; so many that match come before.
    """

    name: str
    need: NeedKind
    write: str
    look: str
    writes_before: int = 0
    role: Role = Role.RECORD


class System(Struct, frozen=True, kw_only=True):
    """One CRM. ``answers`` say by name of the trouble how the vendor itself words it."""

    name: str
    adapter: str
    sandbox: str
    config: Config
    flows: tuple[Flow, ...]
    answers: Mapping[str, Answer] = {}
    has_tokens: bool = False
    has_unique_keys: bool = True
    """It refuses a second record under a key, also where the first is committed after its settle time."""


class Plug(Struct, frozen=True, kw_only=True):
    """A system with what the installed distributions bring for it."""

    system: System
    adapter: CrmSpec
    sandbox: SandboxSpec

    def open(self, base_url: str, chance: Random) -> AbstractAsyncContextManager[CrmAdapter]:
        """Connect to its sandbox as an operator would."""
        written = self.system.config(base_url, self.sandbox.credentials)
        config = msgspec.convert(written, self.adapter.config_type, dec_hook=_hidden)
        return self.adapter.open(config, CrmDeps(connection=CONNECTION, clock=SystemClock(), chance=chance))


def plugged(systems: Sequence[System]) -> dict[str, Plug]:
    """Return the systems by name, with their adapters and sandboxes.

    Raises:
        ConfigError: one of them is not installed.
    """
    plugins = Plugins.installed()
    plugs: dict[str, Plug] = {}
    for system in systems:
        sandbox = plugins.load(SANDBOXES, system.sandbox)
        if not isinstance(sandbox, SandboxSpec):
            raise TypeError(f"{system.sandbox} is no sandbox")
        plugs[system.name] = Plug(system=system, adapter=plugins.crm_adapter(system.adapter), sandbox=sandbox)
    return plugs


def _hidden(wanted: type, value: Any) -> Any:
    if wanted is Secret:
        return Secret(str(value))
    raise NotImplementedError(wanted)


def _salesforce(url: str, known: Mapping[str, str]) -> dict[str, Any]:
    return {
        "login_url": url,
        "client_id": known["client_id"],
        "client_secret": known["client_secret"],
        "connect_timeout_s": TIMEOUT_S,
        "timeout_s": TIMEOUT_S,
        "settle_s": SETTLE_S,
    }


def _dynamics(url: str, known: Mapping[str, str]) -> dict[str, Any]:
    named = {name: known[name] for name in ("tenant", "client_id", "client_secret", "webhook_key")}
    return {"org_url": url, "login_url": url, "timeout_s": TIMEOUT_S, "settle_s": SETTLE_S, **named}


def _rest(manifest: str, **variables: str) -> Config:
    def config(url: str, known: Mapping[str, str]) -> dict[str, Any]:
        return {
            "base_url": url,
            "manifest": manifest,
            "internal_hosts": ("127.0.0.1",),
            "variables": variables,
            "connect_timeout_s": TIMEOUT_S,
            "read_timeout_s": TIMEOUT_S,
            "total_timeout_s": TIMEOUT_S,
            "settle_s": SETTLE_S,
            **known,
        }

    return config


def _order(name: str, write: str, look: str, **others: Any) -> Flow:
    return Flow(name=name, need=NeedKind.SUPPLY, write=write, look=look, **others)


def _service(name: str, write: str, look: str, **others: Any) -> Flow:
    return Flow(name=name, need=NeedKind.SERVICE, write=write, look=look, **others)


def _soql(sobject: str) -> str:
    return rf"^GET \S+FROM%20{sobject}%20WHERE%20HubKey__c%20%3D%20%27{_OUR_KEY}"


def _keyed(entity_set: str) -> str:
    return rf"^GET \S+/{entity_set}\(new_hubkey=(%27|'){_OUR_KEY}"


_COMPOSITE: Final = r"^POST \S+/composite"
_BATCH: Final = r"^POST \S+/\$batch"
_SIGN_IN: Final = "^POST .*token"
_SHOP: Final = "/api/v1"
_OBJECTS: Final = "/crm/v3/objects"
_TABLE: Final = "/api/now/table"
_ERP_ORDER: Final = "/api/resource/Sales%20Order"
_ODOO_ORDER: Final = "^POST /json/2/sale.order"
_ODOO_TICKET: Final = "^POST /json/2/helpdesk.ticket"
_SNOW_LOOK: Final = f"^GET {_TABLE}/sc_request[?]"
_SNOW_WORK: Final = f"^GET {_TABLE}/wm_order[?]"

SYSTEMS: Final = (
    System(
        name="salesforce",
        adapter="salesforce",
        sandbox="salesforce",
        config=_salesforce,
        has_tokens=True,
        answers=SALESFORCE,
        flows=(
            _order("customer", r"^GET \S+FROM%20Account%20", "", role=Role.READ),
            _order("order", _COMPOSITE, _soql("Order")),
            _service("sign-in", _SIGN_IN, _soql("WorkOrder"), role=Role.SIGN_IN),
            _service("service", _COMPOSITE, _soql("WorkOrder")),
            _service("visit", _COMPOSITE, _soql("ServiceAppointment"), writes_before=2),
        ),
    ),
    System(
        name="dynamics",
        adapter="dynamics",
        sandbox="dynamics",
        config=_dynamics,
        has_tokens=True,
        answers=DYNAMICS,
        flows=(
            _service("names", r"^GET \S+/(pricelevels|msdyn_workordertypes)", "", role=Role.READ),
            _order("order", _BATCH, _keyed("salesorders")),
            _service("sign-in", _SIGN_IN, _keyed("msdyn_workorders"), role=Role.SIGN_IN),
            _service("service", _BATCH, _keyed("msdyn_workorders")),
            _service("visit", _BATCH, _keyed("bookableresourcebookings"), writes_before=1),
        ),
    ),
    System(
        name="shop",
        adapter="rest",
        sandbox="rest",
        config=_rest("shop"),
        has_tokens=True,
        flows=(
            _order("order", f"^PUT {_SHOP}/orders/", f"^GET {_SHOP}/orders/{_OUR_KEY}"),
            _service("sign-in", _SIGN_IN, f"^GET {_SHOP}/tickets/{_OUR_KEY}", role=Role.SIGN_IN),
            _service("service", f"^PUT {_SHOP}/tickets/", f"^GET {_SHOP}/tickets/{_OUR_KEY}"),
            _service("visit", f"^PUT {_SHOP}/visits/", f"^GET {_SHOP}/visits/{_OUR_KEY}"),
        ),
    ),
    System(
        name="odoo",
        adapter="rest",
        sandbox="odoo",
        config=_rest("odoo"),
        has_unique_keys=False,
        answers=ODOO,
        flows=(
            _order("customer", "^POST /json/2/res.partner/search_read", "", role=Role.READ),
            _order("search", f"{_ODOO_ORDER}/search_read", "", role=Role.READ),
            _order("order", f"{_ODOO_ORDER}/create", f"{_ODOO_ORDER}/search_read"),
            _order(
                "finish",
                f"{_ODOO_ORDER}/action_confirm",
                f"{_ODOO_ORDER}/search_read",
                role=Role.STEP,
            ),
            _service("service", f"{_ODOO_TICKET}/create", f"{_ODOO_TICKET}/search_read"),
        ),
    ),
    System(
        name="hubspot",
        adapter="rest",
        sandbox="hubspot",
        config=_rest("hubspot"),
        answers=HUBSPOT,
        flows=(
            _order("customer", f"^POST {_OBJECTS}/companies/search", "", role=Role.READ),
            _order("lines", f"^POST {_OBJECTS}/line_items/", "", role=Role.STEP),
            _order("order", f"^POST {_OBJECTS}/orders$", f"^GET {_OBJECTS}/orders/{_OUR_KEY}"),
            _service("service", f"^POST {_OBJECTS}/tickets$", f"^GET {_OBJECTS}/tickets/{_OUR_KEY}"),
        ),
    ),
    System(
        name="servicenow",
        adapter="rest",
        sandbox="servicenow",
        config=_rest("servicenow"),
        has_unique_keys=False,
        answers=SERVICENOW,
        flows=(
            _order("customer", f"^GET {_TABLE}/core_company", "", role=Role.READ),
            _order("search", _SNOW_LOOK, "", role=Role.READ),
            _order("order", f"^POST {_TABLE}/sc_request", _SNOW_LOOK),
            _order("lines", f"^POST {_TABLE}/sc_req_item", _SNOW_LOOK, role=Role.STEP),
            _order("finish", f"^PATCH {_TABLE}/sc_request", _SNOW_LOOK, role=Role.STEP),
            _service("service", f"^POST {_TABLE}/wm_order", _SNOW_WORK),
        ),
    ),
    System(
        name="erpnext",
        adapter="rest",
        sandbox="erpnext",
        config=_rest("erpnext", company="Seller"),
        answers=ERPNEXT,
        flows=(
            _order("customer", "^GET /api/resource/Customer", "", role=Role.READ),
            _order("order", f"^POST {_ERP_ORDER}", f"^GET {_ERP_ORDER}/{_OUR_KEY}"),
            _order("finish", f"^PUT {_ERP_ORDER}", f"^GET {_ERP_ORDER}/{_OUR_KEY}", role=Role.STEP),
            _service("service", "^POST /api/resource/Issue", f"^GET /api/resource/Issue/{_OUR_KEY}"),
        ),
    ),
)
"""Tryton is the one that is missing: its own server is tested instead of a sandbox."""
