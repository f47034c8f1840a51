"""Profiles change while things live: their history is folded by the version they lived by."""

from pathlib import Path

import pytest
from firm import PROFILE
from msgspec.structs import replace
from served_hub import served_hub

from actors.model.errors import ConfigError
from actors.model.profiles import PropertySpec

NEWER = replace(PROFILE, version=2, properties={**PROFILE.properties, "humidity": PropertySpec(unit="%RH")})


async def test_a_thing_goes_over_to_a_newer_profile_and_keeps_its_history(tmp_path: Path) -> None:
    level = next(iter(PROFILE.slots.values())).level
    async with served_hub(tmp_path) as operator:
        printer = await operator.registered()
        await printer.report({level: 80.0})
    for value in (70.0, 60.0):
        async with served_hub(tmp_path, profile=NEWER) as operator:
            await operator.with_token(printer.token).report({level: value, "humidity": 40.0})
            _, shown = await operator.get("/api/v1/things/printer-1")
            assert (shown["latest"][level]["value"], shown["latest"]["humidity"]["value"]) == (value, 40.0)
    assert shown["messages"] == 3


async def test_a_profile_that_changed_under_its_version_is_refused_at_start(tmp_path: Path) -> None:
    async with served_hub(tmp_path):
        pass
    with pytest.raises(ConfigError, match=r"profile printer: changed.*write version = 2"):
        async with served_hub(tmp_path, profile=replace(NEWER, version=1)):
            raise AssertionError("started")
