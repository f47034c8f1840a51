"""The sandbox's token endpoint and sessions, as bytes on a socket."""

import base64
from collections.abc import AsyncIterator

import aiohttp
import pytest

from crm_adapters.salesforce.sandbox import SANDBOX
from crm_adapters.sandboxing import SandboxOptions, listening
from crm_adapters.testing import TickingClock

TOKEN = "/services/oauth2/token"
ID, SECRET = SANDBOX.credentials["client_id"], SANDBOX.credentials["client_secret"]
FORM = {"grant_type": "client_credentials", "client_id": ID, "client_secret": SECRET}


@pytest.fixture
async def web() -> AsyncIterator[aiohttp.ClientSession]:
    options = SandboxOptions(clock=TickingClock())
    async with listening(SANDBOX, options) as base_url, aiohttp.ClientSession(base_url) as session:
        yield session


async def token(web: aiohttp.ClientSession) -> dict[str, str]:
    async with web.post(TOKEN, data=FORM) as reply:
        return {"Authorization": f"Bearer {(await reply.json())['access_token']}"}


async def chunks() -> AsyncIterator[bytes]:
    yield b"grant_type=client_"
    yield b"credentials"


async def test_a_token_comes_without_expiry_and_with_the_instance(web: aiohttp.ClientSession) -> None:
    async with web.post(TOKEN, data=FORM) as reply:
        body = await reply.json()
    assert (reply.status, body["token_type"], body["instance_url"]) == (200, "Bearer", str(reply.url.origin()))
    assert "expires_in" not in body
    assert body["issued_at"].isdigit()


async def test_a_chunked_form_with_basic_credentials_is_read(web: aiohttp.ClientSession) -> None:
    pair = base64.b64encode(f"{ID}:{SECRET}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}", "Content-Type": "application/x-www-form-urlencoded"}
    async with web.post(TOKEN, data=chunks(), headers=headers) as reply:
        assert reply.status == 200, await reply.text()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_secret": "x"}, "invalid_client"),
        ({"client_id": "x"}, "invalid_client_id"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_a_refused_token_is_an_object(web: aiohttp.ClientSession, change: dict[str, str], error: str) -> None:
    async with web.post(TOKEN, data=FORM | change) as reply:
        assert (reply.status, (await reply.json())["error"]) == (400, error)


@pytest.mark.parametrize("header", ["", "Bearer gone", "Basic x"])
async def test_without_a_session_the_answer_is_an_array(web: aiohttp.ClientSession, header: str) -> None:
    async with web.get("/services/data/v60.0/limits", headers={"Authorization": header}) as reply:
        expected = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
        assert (reply.status, await reply.json()) == (401, expected)


async def test_every_answer_tells_the_daily_usage(web: aiohttp.ClientSession) -> None:
    headers = await token(web)
    async with web.get("/services/data/v60.0/sobjects/Account/describe/", headers=headers) as reply:
        names = {field["name"] for field in (await reply.json())["fields"] if field["unique"]}
        assert (reply.headers["Sforce-Limit-Info"], names) == ("api-usage=1/100000", {"HubKey__c"})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/sobjects/Account", b"{", 400, "JSON_PARSER_ERROR"),
        ("POST", "/sobjects/Account", b"[]", 400, "JSON_PARSER_ERROR"),
        ("PUT", "/sobjects/Account", b"{}", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/sobjects/Friend", b"", 404, "NOT_FOUND"),
        ("GET", "/query", b"", 400, "MALFORMED_QUERY"),
    ],
)
async def test_what_the_api_cannot_read(
    web: aiohttp.ClientSession, method: str, path: str, body: bytes, status: int, code: str
) -> None:
    headers = await token(web) | {"Content-Type": "application/json"}
    async with web.request(method, f"/services/data/v60.0{path}", data=body, headers=headers) as reply:
        assert (reply.status, (await reply.json())[0]["errorCode"]) == (status, code)


async def test_a_record_that_is_no_json_is_unsupported(web: aiohttp.ClientSession) -> None:
    async with web.post("/services/data/v60.0/sobjects/Account/", data=FORM, headers=await token(web)) as reply:
        assert reply.status == 415
