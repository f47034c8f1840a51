"""How an item is watched, as profiles say it behind the bar."""

import pytest

from actors.model.errors import ConfigError
from actors.model.profiles import PropertySpec
from protocols.opcua.sources import Trigger, Watching, parse_source


def test_what_stands_behind_the_bar_says_how_to_watch() -> None:
    text = "nsu=urn:x;s={m}.Oil | sampling_ms=250 queue=50 deadband=0.5 trigger=time field=Tank.Level"
    found = parse_source(text, {"m": "P1"}, PropertySpec(unit="%"))
    assert str(found) == "nsu=urn:x;s=P1.Oil"
    assert found.watching == Watching(sampling_ms=250, queue=50, deadband=0.5, trigger=Trigger.TIME, field="Tank.Level")
    assert found.unit == "%"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("queue=0", "queue"),
        ("sampling=5", "behind the bar may be sampling_ms"),
        ("deadband", "expected name=value once each"),
        ("queue=1 queue=2", "expected name=value once each"),
        ("deadband=1 deadband_percent=2", "not both"),
    ],
)
def test_what_is_wrong_behind_the_bar_is_told(written: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_source(f"i=5 | {written}", {}, PropertySpec())
