"""Lives given for training: with consent only, under ids that name no machine; a model goes with a life forgotten."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from firm import PROFILE
from msgspec.structs import replace
from served_hub import Client, served_hub

from actors.community.lives import Life
from actors.model.profiles import HealthSpec, PropertySpec, SkuChoice
from hub.demo.turbofan import fleet
from hub.storage.sqlite import FILE_NAME
from hub.training import set_aside

PATH = "/api/v1/communities/office"
ENGINE = replace(
    PROFILE,
    properties=PROFILE.properties | {"row": PropertySpec(kind="numbers"), "cycle": PropertySpec()},  # type: ignore[arg-type]
    components={"engine": HealthSpec(snapshot="row", cycle="cycle", skus=(SkuChoice(sku="ENGINE"),))},
)


def told(lives: Sequence[Life], **more: Any) -> dict[str, Any]:
    rows = [
        {"life_id": each.life_id, "owner_id": each.owner_id, "rows": each.rows[::4].tolist()} | more for each in lives
    ]
    return {"subject": "engine", "n_settings": 3, "lives": rows}


async def trained(operator: Client, *, but: str = "") -> str:
    """Wait for a model other than ``but`` and return its version."""
    async with asyncio.timeout(240):
        while True:
            (community,) = (await operator.get("/api/v1/communities"))[1]
            version = str(community["models"].get("engine", ""))
            if version not in {"", but}:
                return version
            await asyncio.sleep(0.05)


async def test_forgetting_a_life_retires_the_model_and_leaves_no_trace(tmp_path: Path) -> None:
    lives = fleet(3, 11, owners=11)
    async with served_hub(tmp_path, profile=ENGINE) as operator:
        await operator.registered(shares=["training"], owner_id=lives[0].owner_id)
        posted = told(lives)
        posted["lives"][0]["thing_id"] = "printer-1"
        status, taken = await operator.post(f"{PATH}/lives", posted)
        assert (status, taken["lives"]) == (202, 11)
        version = await trained(operator)
        (life_id,) = (
            row.key.rpartition("/")[2] for row in operator.hub.journal.records("training_life", lives[0].owner_id)
        )
        journal = b"".join(file.read_bytes() for file in sorted((tmp_path / "data").glob(f"{FILE_NAME}*")))
        assert life_id.encode() in journal
        assert lives[0].life_id.encode() not in journal  # it may name a machine
        status, gone = await operator.post(f"{PATH}/leave", {"thing_id": "printer-1", "forget": True})
        assert (status, gone["lives"], gone["models"]) == (200, 1, ["engine"])
        journal = b"".join(file.read_bytes() for file in sorted((tmp_path / "data").glob(f"{FILE_NAME}*")))
        assert life_id.encode() not in journal
        assert version not in [row.key for row in operator.hub.journal.records("model")]
        anew = await trained(operator, but=version)
        body = msgspec.json.decode(operator.hub.journal.record("trained_on", anew) or b"")
        assert (len(body["lives"]), life_id in body["lives"]) == (10, False)
        curves = [row.key for row in operator.hub.journal.records("card")]
        assert all(key.startswith(f"office/{anew}.") for key in curves)


async def test_a_thing_that_does_not_share_for_training_is_not_trained_on(tmp_path: Path) -> None:
    lives = fleet(3, 1, owners=1)
    async with served_hub(tmp_path, profile=ENGINE) as operator:
        await operator.registered(shares=["health"], owner_id=lives[0].owner_id)
        status, problem = await operator.post(f"{PATH}/lives", told(lives, thing_id="printer-1"))
        assert (status, problem["code"]) == (403, "no_consent")
        status, problem = await operator.post(f"{PATH}/lives", told(lives, thing_id="stranger"))
        assert (status, problem["code"]) == (422, "unknown_thing")
        assert list(operator.hub.journal.records("training_life")) == []


def test_a_life_that_no_others_confirm_is_set_aside_unless_somebody_vouches_for_it() -> None:
    lives = fleet(7, 14, owners=14)
    odd = replace(lives[3], rows=lives[3].rows[: len(lives[3].rows) // 3])  # failed, they say, before it aged
    told = [odd if life is lives[3] else life for life in lives]
    aside = set_aside(told, ())
    assert odd.life_id in aside
    assert len(aside) <= 2
    assert set_aside(told, [odd.life_id]) == aside - {odd.life_id}
