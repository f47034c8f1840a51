"""The description of the HTTP interface: made of its routes, valid, and no request after it breaks the hub."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from openapi_spec_validator import OpenAPIV31SpecValidator
from served_hub import Client, served_hub

from hub.api.openapi import Undescribed, document

SECONDS = 90


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Client]:
    async with served_hub(tmp_path) as client:
        yield client


async def described(client: Client) -> dict[str, Any]:
    status, told = await client.with_token("").get("/openapi.json")
    assert status == 200
    found: dict[str, Any] = told
    return found


async def test_the_document_is_valid_openapi_3_1(operator: Client) -> None:
    told = await described(operator)
    assert told["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(told).validate()  # type: ignore[arg-type]


async def test_bodies_are_the_types_that_are_decoded(operator: Client) -> None:
    schemas = (await described(operator))["components"]["schemas"]
    assert set(schemas["NewMandate"]["required"]) == {
        "mandate_id",
        "owner_id",
        "levels",
        "budget",
        "per_order_limit",
        "allowed_payees",
        "valid_until",
    }
    assert schemas["Wanted"]["properties"]["quantity"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 100}


async def test_every_operation_says_what_it_does_and_how_it_fails(operator: Client) -> None:
    operations = [told for path in (await described(operator))["paths"].values() for told in path.values()]
    assert all(told["summary"].endswith((".", "names no thing.", ";")) for told in operations)
    assert all("default" in told["responses"] for told in operations)


async def test_only_what_holds_no_content_needs_no_token(operator: Client) -> None:
    paths = (await described(operator))["paths"]
    open_paths = {path for path, item in paths.items() for told in item.values() if told.get("security") == []}
    proving = {
        "/crm/{connection}/webhook",
        "/hooks/{hook}",
        "/federation/{community_id}",
        "/federation/{community_id}/pieces/{sha256}",
    }  # their messages prove who sends them
    assert open_paths == {"/healthz", "/metrics", "/openapi.json", "/.well-known/wot"} | proving


def test_a_route_that_says_nothing_of_itself_is_noticed() -> None:
    async def silent(request: web.Request) -> web.Response:
        raise web.HTTPNotFound

    application = web.Application()
    application.router.add_get("/silent", silent)
    with pytest.raises(Undescribed, match="GET /silent"):
        document(list(application.router.routes()))


CONFIG = """
[parameters]
thing_id = "printer-1"
owner_id = "firm"
community_id = "office"
mandate_id = "m1"
"""


async def judged(url: str, token: str, folder: Path) -> tuple[int, str]:
    """Let schemathesis try requests after the document; return its exit code and what it wrote."""
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG)
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run", f"{url}/openapi.json"]
    wanted = ["--checks", "not_a_server_error", "--phases", "fuzzing", "--max-examples", "6", "--seed", "1"]
    paths = ["--exclude-path-regex", "/events$|/retire$"]  # an endless answer; the end of the thing
    process = await asyncio.create_subprocess_exec(
        *command,
        *wanted,
        *paths,
        "-H",
        f"Authorization: Bearer {token}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
    )
    async with asyncio.timeout(SECONDS):
        written, _ = await process.communicate()
    return process.returncode or 0, written.decode(errors="replace")


@pytest.mark.parametrize("who", ["operator", "thing"])
async def test_no_request_that_the_document_allows_is_a_server_error(
    operator: Client, tmp_path: Path, who: str
) -> None:
    if find_spec("schemathesis") is None or shutil.which(Path(sys.executable).with_name("schemathesis")) is None:
        pytest.skip("schemathesis (extra `peers`) is not installed")
    thing = await operator.registered()
    token = operator.token if who == "operator" else thing.token
    code, written = await judged(operator.url, token, tmp_path)
    assert code == 0, written[-4000:]
    assert "generated" in written, written[-4000:]
