"""Configuration: what the operator writes in ``hub.toml`` and in thing profiles, strict and told all at once."""

from hub.config.listen import Listen
from hub.config.loading import load, load_hub_table
from hub.config.problems import ConfigRefused, Problem
from hub.config.tables import (
    CommunityConfig,
    CrmChoice,
    HubConfig,
    HubTable,
    LimitsConfig,
    PartnerConfig,
    ProtocolChoice,
    StorageConfig,
    WebhooksConfig,
)

__all__ = [
    "CommunityConfig",
    "ConfigRefused",
    "CrmChoice",
    "HubConfig",
    "HubTable",
    "LimitsConfig",
    "Listen",
    "PartnerConfig",
    "Problem",
    "ProtocolChoice",
    "StorageConfig",
    "WebhooksConfig",
    "load",
    "load_hub_table",
]
