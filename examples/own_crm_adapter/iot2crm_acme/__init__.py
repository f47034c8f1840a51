"""Acme Parts Desk: orders and calls for help, every request signed."""

from actors.ports import CrmSpec
from iot2crm_acme.adapter import open_acme
from iot2crm_acme.config import AcmeConfig

SPEC = CrmSpec(name="acme", title="Acme Parts Desk", config_type=AcmeConfig, open=open_acme)
