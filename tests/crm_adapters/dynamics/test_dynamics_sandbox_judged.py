"""Microsoft's own clients, for Dataverse and for Entra ID, work against the sandbox."""

from pathlib import Path
from typing import Any

import pytest
from judging import judgement
from tls_sandbox import write_app_key, write_certificate

from crm_adapters.dynamics.sandbox import SANDBOX
from crm_adapters.sandboxing import Fault, FaultAction, SandboxOptions
from hub.clock import SystemClock

pytest.importorskip("PowerPlatform.Dataverse", reason="pip install .[peers] to run these")

BUSY = Fault(match="POST .*/msdyn_iotalerts", action=FaultAction.STATUS, status=429, headers={"Retry-After": "7"})
USES = {
    "rows": ["Smithy", None],
    "pages": [7, [3, 3, 1]],
    "query": ["O'Hara"],
    "keyed_upsert": ["newest", "other"],
    "changeset": [False, True],
    "failed_changeset": ["0x80048d19", 0],
    "definitions": [["new_hubkey"], "Active", True],
    "refusal": [400, False, "0x80048d19"],
    "limit": [429, True, 7],
    "certificate": 36,
}
"""What each use of ``judges/dataverse_judge.py`` must come to."""


@pytest.fixture(scope="module")
def uses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("tls")
    app_key, shown = write_app_key(folder)
    known = SANDBOX.credentials
    return judgement(
        "dataverse_judge.py",
        (known["tenant"], known["client_id"], known["client_secret"], str(app_key)),
        spec=SANDBOX,
        options=SandboxOptions(clock=SystemClock(), credentials={"certificate": shown}),
        certificate=write_certificate(folder),
        faults=[BUSY],
    )


@pytest.mark.parametrize("use", USES)
def test_microsofts_dataverse_client_gets_what_it_expects(uses: dict[str, Any], use: str) -> None:
    assert uses[use] == USES[use]


def test_a_wrong_secret_is_refused_in_entras_words(uses: dict[str, Any]) -> None:
    assert "AADSTS7000215" in uses["wrong_secret"]
