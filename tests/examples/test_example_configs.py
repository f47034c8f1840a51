"""Every configuration and list of things under ``examples/`` can be used as it is."""

from pathlib import Path

import msgspec
import pytest

from actors.model.needs import NeedKind
from actors.model.secrets import Secret
from actors.model.things import ThingRecord
from crm_adapters.sandboxing import SandboxSpec
from hub.config import HubConfig, load
from hub.plugins import SANDBOXES, Plugins

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CONFIGS = sorted(EXAMPLES.glob("**/hub.toml"))


def _environ(folder: Path) -> dict[str, str]:
    lines = (folder / "sandbox.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _load(path: Path) -> HubConfig:
    return load(path, environ=_environ(path.parent))


def _sandbox(name: str) -> SandboxSpec:
    spec = Plugins.installed().load(SANDBOXES, name)
    assert isinstance(spec, SandboxSpec)
    return spec


def _plain(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.parent.name)
def test_an_example_configuration_is_right_and_nothing_is_doubtful(path: Path) -> None:
    assert _load(path).warnings == ()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.parent.name)
def test_the_things_of_an_example_fit_its_configuration(path: Path) -> None:
    config = _load(path)
    things = msgspec.json.decode((path.parent / "things.json").read_bytes(), type=list[ThingRecord])
    assert len({thing.thing_id for thing in things}) == len(things)
    for thing in things:
        assert thing.connection.protocol in {choice.name for choice in config.protocols}
        assert thing.connection.protocol in config.profiles[thing.profile].sources


def test_the_plants_credentials_are_those_of_the_local_stand_ins() -> None:
    for choice in _load(EXAMPLES / "plant/hub.toml").crm:
        stand_in = _sandbox(choice.spec.name).credentials
        written = {name: _plain(getattr(choice.config, name)) for name in stand_in}
        used = {name: value for name, value in written.items() if value}  # a stand-in knows several ways to sign in
        assert {"client_id", "client_secret"} <= used.keys()
        assert used.items() <= stand_in.items()


def test_the_plant_shows_a_supply_a_component_and_a_fault() -> None:
    profiles = _load(EXAMPLES / "plant/hub.toml").profiles.values()
    kinds = {
        NeedKind.SUPPLY: any(profile.slots for profile in profiles),
        NeedKind.REPLACEMENT: any(profile.components for profile in profiles),
        NeedKind.SERVICE: any(profile.faults for profile in profiles),
    }
    assert all(kinds.values()), kinds
