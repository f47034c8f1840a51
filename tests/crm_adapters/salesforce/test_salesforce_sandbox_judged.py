"""A client that we did not write, simple-salesforce, works against the sandbox."""

from pathlib import Path
from typing import Any

import pytest
from judging import judgement
from tls_sandbox import write_app_key, write_certificate

from crm_adapters.salesforce.sandbox import SANDBOX
from crm_adapters.sandboxing import SandboxOptions
from hub.clock import SystemClock

pytest.importorskip("simple_salesforce", reason="pip install .[peers] to run these")

USES = {
    "rows": [True, "Smithy", 204],
    "upsert": [201, 200],
    "by_external_id": "By key",
    "pages": [205, 205, True],
    "pages_one_by_one": 205,
    "composite": [[201, 201], True],
    "failed_composite": [["PROCESSING_HALTED", "INVALID_FIELD"], 0],
    "collections": [[True, True, False], "INVALID_FIELD", [True, False]],
    "tree": [False, 2, "Root"],
    "replication": [True, False, True],
    "description": [True, True],
    "refusals": [[400, "REQUIRED_FIELD_MISSING"], [404, "NOT_FOUND"]],
    "limits": [True, True],
    "private_key": 1,
    "wrong_secret": "invalid_client",
    "expired_session": [401, "INVALID_SESSION_ID"],
}
"""What each use of ``judges/salesforce_judge.py`` must come to."""


@pytest.fixture(scope="module")
def uses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("tls")
    app_key, shown = write_app_key(folder)
    known = SANDBOX.credentials
    owners = tuple(f"owner-{number}" for number in range(205))
    return judgement(
        "salesforce_judge.py",
        (known["client_id"], known["client_secret"], known["username"], str(app_key)),
        spec=SANDBOX,
        options=SandboxOptions(clock=SystemClock(), accounts=owners, credentials={"certificate": shown}),
        certificate=write_certificate(folder),
    )


@pytest.mark.parametrize("use", USES)
def test_simple_salesforce_gets_what_it_expects(uses: dict[str, Any], use: str) -> None:
    assert uses[use] == USES[use]
