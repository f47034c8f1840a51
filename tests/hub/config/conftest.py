"""Adapters that connect nowhere, entered by the same door as real ones."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct

from actors.model.secrets import Secret
from actors.ports import CrmSpec, ProtocolSpec
from hub.plugins import CRM_ADAPTERS, PROTOCOLS, Plugins


class Endpoint(Struct, frozen=True, kw_only=True):
    url: str
    password: Secret | None = None


class WireConfig(Struct, frozen=True, kw_only=True):
    endpoints: Annotated[dict[str, Endpoint], Meta(max_length=6)] = {}
    allow: tuple[str, ...] = ()


class KeyAuth(Struct, frozen=True, kw_only=True, tag="key"):
    key: Secret


class BasicAuth(Struct, frozen=True, kw_only=True, tag="basic"):
    user: str
    password: Secret


class ShopConfig(Struct, frozen=True, kw_only=True):
    base_url: str
    auth: KeyAuth | BasicAuth | None = None
    client_secret: Secret | None = None
    timeout_s: Annotated[float, Meta(gt=0)] = 10.0
    manifest: Path | None = None
    low: int = 0
    high: int = 10

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high})")


@asynccontextmanager
async def _never_opened(_config: Any, _deps: Any) -> AsyncIterator[Any]:
    raise AssertionError("loading a configuration connects nothing")
    yield


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Plugins:
    module = ModuleType("adapters_for_tests")
    specs = {
        "wire": ProtocolSpec(name="wire", title="Wire", config_type=WireConfig, open=_never_opened),
        "radio": ProtocolSpec(name="radio", title="Radio", config_type=WireConfig, open=_never_opened),
        "shop": CrmSpec(name="shop", title="Shop", config_type=ShopConfig, open=_never_opened),
        "salon": CrmSpec(name="salon", title="Salon", config_type=ShopConfig, open=_never_opened),
    }
    for name, spec in specs.items():
        setattr(module, name, spec)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Plugins(
        [
            EntryPoint(name, f"{module.__name__}:{name}", PROTOCOLS if isinstance(spec, ProtocolSpec) else CRM_ADAPTERS)
            for name, spec in specs.items()
        ]
    )
