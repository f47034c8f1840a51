"""Logging in without a secret: the JWT bearer flow, from the adapter and as the sandbox judges it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from tls_sandbox import write_app_key

from actors.model.errors import ConfigError
from actors.model.offers import OfferQuery
from actors.model.outcomes import AuthFailed, Offers
from actors.model.secrets import Secret
from actors.ports import CrmAdapter
from crm_adapters.salesforce import SPEC
from crm_adapters.salesforce.config import SalesforceConfig
from crm_adapters.salesforce.sandbox import SANDBOX
from crm_adapters.salesforce.sandbox.login import TOKEN_PATH
from crm_adapters.sandboxing import SandboxOptions, listening
from crm_adapters.sandboxing.client import SandboxAdmin, administer
from crm_adapters.testing import TickingClock, deps
from crm_adapters.testing.samples import BEGIN, offer_query

KNOWN = SANDBOX.credentials
INK: OfferQuery = offer_query()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return write_app_key(tmp_path_factory.mktemp("app"))


def config(base_url: str, key_file: Path, **changes: Any) -> SalesforceConfig:
    named = {"login_url": base_url, "client_id": KNOWN["client_id"], "username": KNOWN["username"]}
    return SalesforceConfig(**{**named, "private_key": Secret(key_file.read_text()), **changes})


@asynccontextmanager
async def connected(
    app: tuple[Path, str], **changes: Any
) -> AsyncGenerator[tuple[CrmAdapter, SandboxAdmin, str], None]:
    file, certificate = app
    options = SandboxOptions(clock=TickingClock(), credentials={"certificate": certificate})
    async with (
        listening(SANDBOX, options) as base_url,
        administer(base_url) as admin,
        SPEC.open(config(base_url, file, **changes), deps()) as adapter,
    ):
        yield adapter, admin, base_url


async def test_a_key_opens_the_organisation_and_an_expired_session_is_renewed(app: tuple[Path, str]) -> None:
    async with connected(app) as (adapter, admin, _):
        assert isinstance(await adapter.find_offers(INK), Offers)
        await admin.expire_tokens()
        assert isinstance(await adapter.find_offers(INK), Offers)
        assert sum("/token" in request.path for request in await admin.requests()) == 2


async def test_a_strange_key_is_refused(app: tuple[Path, str], tmp_path: Path) -> None:
    other, _ = write_app_key(tmp_path)
    async with connected(app, private_key=Secret(other.read_text())) as (adapter, *_):
        refused = await adapter.find_offers(INK)
        assert isinstance(refused, AuthFailed), refused
        assert "invalid_grant" in refused.reason


async def test_a_user_who_was_not_approved_is_refused(app: tuple[Path, str]) -> None:
    async with connected(app, username="somebody@acme.example") as (adapter, *_):
        assert isinstance(await adapter.find_offers(INK), AuthFailed)


async def test_what_is_no_key_is_a_fault_of_the_configuration_that_shows_nothing() -> None:
    wrong = SalesforceConfig(
        login_url="https://acme.my.salesforce.com", client_id="c", username="u", private_key=Secret("canary")
    )
    with pytest.raises(ConfigError, match="RSA in PEM form") as refused:
        async with SPEC.open(wrong, deps()):
            raise AssertionError("it opened")
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("ways", [{}, {"client_secret": Secret("s"), "private_key": Secret("k"), "username": "u"}])
def test_exactly_one_way_to_log_in_is_written(ways: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        SalesforceConfig(login_url="https://acme.my.salesforce.com", client_id="c", **ways)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "https://elsewhere.example"}, "aud"),
        ({"iss": "another app"}, "iss"),
        ({"exp": BEGIN.timestamp() - 60}, "expired"),
        ({"exp": BEGIN.timestamp() + 7200}, "at most"),
        ({"exp": "soon"}, "no number"),
    ],
)
async def test_the_sandbox_refuses_a_wrong_assertion(app: tuple[Path, str], claims: dict[str, Any], why: str) -> None:
    async with connected(app) as (*_, base_url):
        status, body = await ask(base_url, assertion(app, claims))
        assert (status, body["error"]) == (400, "invalid_grant")
        assert why in body["error_description"]


async def test_the_sandbox_takes_an_expiry_that_is_written_as_text(app: tuple[Path, str]) -> None:
    async with connected(app) as (*_, base_url):
        status, body = await ask(base_url, assertion(app, {"exp": str(BEGIN.timestamp() + 180)}))
        assert (status, "expires_in" in body) == (200, False)


def assertion(app: tuple[Path, str], claims: dict[str, Any]) -> str:
    usual = {"iss": KNOWN["client_id"], "sub": KNOWN["username"], "aud": "https://login.salesforce.com"}
    told = {**usual, "exp": int(BEGIN.timestamp()) + 180, **claims}
    return jwt.encode({"alg": "RS256"}, told, RSAKey.import_key(app[0].read_text()), algorithms=["RS256"])


async def ask(base_url: str, written: str) -> tuple[int, Any]:
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": written}
    async with aiohttp.ClientSession() as session, session.post(f"{base_url}{TOKEN_PATH}", data=form) as reply:
        return reply.status, await reply.json()
