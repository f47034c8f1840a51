"""Dynamics 365 (Dataverse Web API v9.2)."""

from typing import Final

from actors.ports import CrmSpec
from crm_adapters.dynamics.adapter import open_dynamics
from crm_adapters.dynamics.config import DynamicsConfig

SPEC: Final = CrmSpec(
    name="dynamics",
    title="Microsoft Dynamics 365 (Dataverse Web API v9.2)",
    config_type=DynamicsConfig,
    open=open_dynamics,
)

__all__ = ["SPEC", "DynamicsConfig"]
