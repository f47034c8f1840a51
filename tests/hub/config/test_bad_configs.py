"""Every file in ``bad/`` is refused with exactly the text beside it."""

from pathlib import Path

import pytest

from hub.config import ConfigRefused, load
from hub.plugins import Plugins

BAD = Path(__file__).parent / "bad"


@pytest.mark.parametrize("case", sorted(BAD.glob("*.toml")), ids=lambda path: path.stem)
def test_a_bad_configuration_is_refused_with_all_its_mistakes(
    case: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(BAD)
    with pytest.raises(ConfigRefused) as refused:
        load(Path(case.name), environ={"SET": "canary-4711", "EMPTY": ""}, plugins=plugins)
    assert str(refused.value) + "\n" == case.with_suffix(".txt").read_text()
    assert "canary" not in str(refused.value)


def test_every_expected_text_has_its_configuration() -> None:
    assert {path.stem for path in BAD.glob("*.txt")} == {path.stem for path in BAD.glob("*.toml")}
