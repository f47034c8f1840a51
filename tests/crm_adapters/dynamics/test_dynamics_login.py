"""Logging in with a certificate: from the adapter, and as the sandbox judges it."""

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
from actors.model.outcomes import AuthFailed, Offers
from actors.model.secrets import Secret
from actors.ports import CrmAdapter
from crm_adapters.assertions import with_thumbprint
from crm_adapters.dynamics import SPEC, DynamicsConfig
from crm_adapters.dynamics.sandbox import SANDBOX
from crm_adapters.sandboxing import SandboxOptions, listening
from crm_adapters.sandboxing.client import SandboxAdmin, administer
from crm_adapters.testing import TickingClock, deps
from crm_adapters.testing.samples import BEGIN, offer_query

KNOWN = SANDBOX.credentials
TOKEN = f"/{KNOWN['tenant']}/oauth2/v2.0/token"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return write_app_key(tmp_path_factory.mktemp("app"))


def config(base_url: str, certificate: str) -> DynamicsConfig:
    named = {"tenant": KNOWN["tenant"], "client_id": KNOWN["client_id"]}
    return DynamicsConfig(org_url=base_url, login_url=base_url, certificate=Secret(certificate), **named)


@asynccontextmanager
async def connected(
    app: tuple[Path, str], own: Path | None = None
) -> AsyncGenerator[tuple[CrmAdapter, SandboxAdmin, str], None]:
    options = SandboxOptions(clock=TickingClock(), credentials={"certificate": app[1]})
    async with (
        listening(SANDBOX, options) as base_url,
        administer(base_url) as admin,
        SPEC.open(config(base_url, (own or app[0]).read_text()), deps()) as adapter,
    ):
        yield adapter, admin, base_url


async def test_a_certificate_opens_the_environment_and_each_assertion_is_used_once(app: tuple[Path, str]) -> None:
    async with connected(app) as (adapter, admin, _):
        assert isinstance(await adapter.find_offers(offer_query()), Offers)
        await admin.expire_tokens()
        assert isinstance(await adapter.find_offers(offer_query()), Offers)
        assert [request.status for request in await admin.requests() if "/token" in request.path] == [200, 200]


async def test_a_certificate_that_is_not_registered_is_refused(app: tuple[Path, str], tmp_path: Path) -> None:
    other, _ = write_app_key(tmp_path)
    async with connected(app, own=other) as (adapter, *_):
        refused = await adapter.find_offers(offer_query())
        assert isinstance(refused, AuthFailed), refused
        assert "invalid_client" in refused.reason


@pytest.mark.parametrize("text", ["canary", "-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----"])
async def test_a_text_without_key_and_certificate_is_a_fault_of_the_configuration(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        async with SPEC.open(config("https://acme.crm4.dynamics.com", text), deps()):
            raise AssertionError("it opened")
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "https://elsewhere.example"}, "aud"),
        ({"sub": "another app"}, "sub"),
        ({"exp": BEGIN.timestamp() - 60}, "expired"),
        ({"exp": BEGIN.timestamp() + 7200}, "at most"),
        ({"nbf": BEGIN.timestamp() + 3600}, "not valid yet"),
        ({"jti": ""}, "no jti"),
    ],
)
async def test_the_sandbox_refuses_a_wrong_assertion(app: tuple[Path, str], claims: dict[str, Any], why: str) -> None:
    async with connected(app) as (*_, base_url):
        status, body = await ask(base_url, assertion(base_url, app, claims))
        assert (status, body["error"]) == (401, "invalid_client")
        assert why in body["error_description"]


async def test_the_sandbox_takes_an_assertion_once(app: tuple[Path, str]) -> None:
    async with connected(app) as (*_, base_url):
        same = assertion(base_url, app, {})
        assert [(await ask(base_url, same))[0] for _ in range(2)] == [200, 401]


async def test_the_sandbox_wants_the_certificate_named(app: tuple[Path, str]) -> None:
    async with connected(app) as (*_, base_url):
        _, body = await ask(base_url, assertion(base_url, app, {}, named=False))
        assert "names no certificate" in body["error_description"]


def assertion(base_url: str, app: tuple[Path, str], claims: dict[str, Any], *, named: bool = True) -> str:
    client = KNOWN["client_id"]
    usual = {"iss": client, "sub": client, "aud": f"{base_url}{TOKEN}", "jti": "1", "exp": BEGIN.timestamp() + 300}
    pem = app[0].read_text()
    mark = with_thumbprint(Secret(pem)).header if named else {}
    return jwt.encode({"alg": "PS256", **mark}, usual | claims, RSAKey.import_key(pem), algorithms=["PS256"])


async def ask(base_url: str, written: str) -> tuple[int, Any]:
    form = {
        "grant_type": "client_credentials",
        "client_id": KNOWN["client_id"],
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": written,
        "scope": f"{base_url}/.default",
    }
    async with aiohttp.ClientSession() as session, session.post(f"{base_url}{TOKEN}", data=form) as reply:
        return reply.status, await reply.json()
