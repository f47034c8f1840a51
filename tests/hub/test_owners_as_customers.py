"""An owner whom the operator names in hub.toml is known to the CRM under that name, with the person to talk to."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from journeys import GRANT, journey

from crm_adapters.dynamics.sandbox import SANDBOX as DATAVERSE
from crm_adapters.salesforce.sandbox import SANDBOX as ORGANISATION
from crm_adapters.testing import OWNER

NAMED = f"""
[owners.{OWNER}]
name = "Firm Ltd"
contact_name = "Ada Firm"
contact_email = "ada@firm.example"
"""
QUERIES = {
    "salesforce": (
        "/services/oauth2/token",
        "/services/data/v60.0/query?q=SELECT+Name+FROM+Account",
        "/services/data/v60.0/query?q=SELECT+Email+FROM+Contact",
    ),
    "dynamics": (
        "/{tenant}/oauth2/v2.0/token",
        "/api/data/v9.2/accounts?$select=name",
        "/api/data/v9.2/contacts?$select=emailaddress1",
    ),
}
CREDENTIALS = {"salesforce": ORGANISATION.credentials, "dynamics": DATAVERSE.credentials}


async def said_by(crm: str, url: str) -> list[str]:
    """Return what the CRM says of its accounts and contacts, to somebody who asks it without the hub."""
    known = CREDENTIALS[crm]
    token, *queries = [path.format(**known) for path in QUERIES[crm]]
    form = {
        "grant_type": "client_credentials",
        "client_id": known["client_id"],
        "client_secret": known["client_secret"],
    }
    if crm == "dynamics":
        form["scope"] = f"{url}/.default"
    async with aiohttp.ClientSession() as session:
        async with session.post(url + token, data=form) as reply:
            bearer: dict[str, Any] = await reply.json()
        headers = {"Authorization": f"Bearer {bearer['access_token']}"}
        texts: list[str] = []
        for query in queries:
            async with session.get(url + query, headers=headers) as reply:
                texts.append(await reply.text())
    return texts


@pytest.mark.parametrize("crm", sorted(QUERIES))
async def test_the_crm_knows_an_owner_by_the_name_that_the_operator_gave(
    crm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with journey(crm, tmp_path, monkeypatch, tables=NAMED) as story:
        await story.owner.post("/api/v1/mandates", GRANT)
        await story.order_of("printer-1", "confirmed")
        accounts, contacts = await said_by(crm, story.crm_url)
        assert "Firm Ltd" in accounts
        assert "ada@firm.example" in contacts
        await story.order_of("printer-2", "confirmed")
        paths = [request.path for request in await story.crm.requests() if request.method == "PATCH"]
        assert sum("ontact" in path for path in paths) == 1, paths
