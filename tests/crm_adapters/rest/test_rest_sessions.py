"""Getting in: logins, assertions, preflights, moved addresses; and that no secret comes back out."""

import base64
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from actors.model.errors import ConfigError
from actors.model.ids import OrderKey
from actors.model.orders import RecordKind
from actors.model.outcomes import Absent, AuthFailed, Found, Permanent
from actors.model.secrets import Secret
from actors.ports import CrmAdapter
from crm_adapters.rest import SPEC, RestConfig
from crm_adapters.testing import deps

KEY = OrderKey("I2CKEY")
MANIFEST = """
name = "desk"
title = "Desk"
{auth}
[operations.find_by_key.order]
method = "GET"
path = "/orders/{{in.key}}"
[operations.cancel.order]
method = "POST"
path = "/orders/{{in.key}}/cancel"
body = {{}}
[records.order]
record_id = "record.id"
key = "record.key"
status = "'open'"
statuses = {{}}
"""
SHOWN = {"id": 1, "key": KEY}


class Desk:
    """A server that notes what it is shown, and answers by a rule."""

    def __init__(self, let_in: str = "") -> None:
        self.let_in = let_in
        self.logins: list[tuple[str, Mapping[str, str], Any]] = []
        self.seen: list[Mapping[str, str]] = []
        self.token_reply: Mapping[str, Any] = {"access_token": "t1", "expires_in": 3600}

    async def token(self, request: web.Request) -> web.Response:
        body = await request.json() if request.content_type == "application/json" else dict(await request.post())
        self.logins.append((request.path, dict(request.headers), body))
        reply = web.json_response(self.token_reply)
        reply.set_cookie("sid", "c00kie")
        reply.headers["X-CSRF-Token"] = f"csrf-{len(self.logins)}"
        return reply

    async def order(self, request: web.Request) -> web.Response:
        self.seen.append(dict(request.headers))
        if self.let_in and self.let_in not in str(request.headers):
            shown = request.headers.get("Authorization", "")
            return web.json_response({"message": f"you showed {shown}"}, status=401)
        return web.json_response(SHOWN)


@asynccontextmanager
async def desk_with(auth: str, desk: Desk, folder: Path, **config: Any) -> AsyncGenerator[CrmAdapter, None]:
    application = web.Application()
    application.router.add_route("*", "/{place:token|login|fetch}", desk.token)
    application.router.add_route("*", "/{prefix:.*}orders/{rest:.*}", desk.order)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        desk.token_reply = {
            name: str(value).replace("BASE", base_url) if isinstance(value, str) else value
            for name, value in desk.token_reply.items()
        }
        manifest = folder / "desk.toml"
        manifest.write_text(MANIFEST.format(auth=auth))
        written = RestConfig(base_url=base_url, internal_hosts=("127.0.0.1",), manifest_file=manifest, **config)
        async with SPEC.open(written, deps()) as adapter:
            yield adapter
    finally:
        await runner.cleanup()


async def test_a_login_sends_the_secrets_where_the_manifest_says_and_shows_the_token(tmp_path: Path) -> None:
    auth = """[auth]
kind = "login"
path = "/login"
body = { user = "${secret.username}", word = "${secret.password}" }
token = "body.session"
prefix = "Session ${b64(join(':', [secret.username, token]))}"
expired = "status == `401`"
"""
    desk = Desk()
    desk.token_reply = {"session": "s3ss10n"}
    async with desk_with(auth, desk, tmp_path, username="me", password=Secret("pass-word")) as adapter:
        assert isinstance(await adapter.find_by_key(KEY, RecordKind.ORDER), Found)
    assert desk.logins[0][2] == {"user": "me", "word": "pass-word"}
    assert desk.seen[0]["Authorization"] == "Session " + base64.b64encode(b"me:s3ss10n").decode()


async def test_a_session_of_cookies_is_kept_and_renewed_once(tmp_path: Path) -> None:
    auth = """[auth]
kind = "login"
path = "/login"
form = { u = "${secret.username}" }
token = "`null`"
keep_cookies = true
"""
    desk = Desk(let_in="never")
    async with desk_with(auth, desk, tmp_path, username="me") as adapter:
        assert isinstance(await adapter.find_by_key(KEY, RecordKind.ORDER), AuthFailed)
    assert [headers["Cookie"] for headers in desk.seen] == ["sid=c00kie", "sid=c00kie"]
    assert len(desk.logins) == 2


async def test_the_token_reply_moves_the_api_to_another_address(tmp_path: Path) -> None:
    auth = '[auth]\nkind = "oauth2"\ntoken_url = "/token"\nbase_url = "body.instance_url"\n'
    desk = Desk()
    desk.token_reply = {"access_token": "t1", "instance_url": "BASE/moved/"}
    async with desk_with(auth, desk, tmp_path, client_id="id", client_secret=Secret("client-secret")) as adapter:
        assert isinstance(await adapter.find_by_key(KEY, RecordKind.ORDER), Found)


async def test_a_token_reply_cannot_move_the_api_to_a_forbidden_address(tmp_path: Path) -> None:
    auth = '[auth]\nkind = "oauth2"\ntoken_url = "/token"\nbase_url = "body.instance_url"\n'
    desk = Desk()
    desk.token_reply = {"access_token": "t1", "instance_url": "https://169.254.169.254/"}
    async with desk_with(auth, desk, tmp_path, client_id="id", client_secret=Secret("client-secret")) as adapter:
        refused = await adapter.find_by_key(KEY, RecordKind.ORDER)
    assert "credentials of this machine" in str(refused)


async def test_an_assertion_is_signed_and_short_lived(tmp_path: Path) -> None:
    key = RSAKey.generate_key(2048, auto_kid=False)
    auth = '[auth]\nkind = "jwt_bearer"\ntoken_url = "/token"\naudience = "https://login.example"\nkey_id = "k1"\n'
    desk = Desk()
    secret = Secret(key.as_pem(private=True).decode())
    options = {"client_id": "app", "private_key": secret, "variables": {"subject": "hub@example.com"}}
    async with desk_with(auth, desk, tmp_path, **options) as adapter:
        assert isinstance(await adapter.find_by_key(KEY, RecordKind.ORDER), Found)
    form = desk.logins[0][2]
    signed = jwt.decode(form["assertion"], key, algorithms=["RS256"])
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert (signed.header["kid"], signed.claims["iss"], signed.claims["sub"]) == ("k1", "app", "hub@example.com")
    assert signed.claims["exp"] - signed.claims["iat"] == 180


async def test_a_private_key_that_is_none_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    auth = '[auth]\nkind = "jwt_bearer"\ntoken_url = "/token"\naudience = "a"\nsubject = "s"\n'
    with pytest.raises(ConfigError, match="private_key: expected a private key in PEM"):
        async with desk_with(auth, Desk(), tmp_path, client_id="app", private_key=Secret("canary-key")):
            pytest.fail("opened")


async def test_a_preflights_token_and_cookies_go_with_what_writes_alone(tmp_path: Path) -> None:
    auth = """[auth]
kind = "basic"
[preflight]
path = "/fetch"
headers = { X-CSRF-Token = "Fetch" }
header = "X-CSRF-Token"
"""
    desk = Desk()
    async with desk_with(auth, desk, tmp_path, username="me", password=Secret("pass-word")) as adapter:
        await adapter.find_by_key(KEY, RecordKind.ORDER)
        await adapter.cancel(KEY, RecordKind.ORDER, "r")
        await adapter.cancel(KEY, RecordKind.ORDER, "r")
    assert [headers.get("X-CSRF-Token") for headers in desk.seen] == [None, "csrf-1", "csrf-1"]
    assert [headers.get("Cookie") for headers in desk.seen] == [None, "sid=c00kie", "sid=c00kie"]
    assert desk.logins[0][1]["X-CSRF-Token"] == "Fetch"


@pytest.mark.parametrize(
    ("auth", "config", "secrets"),
    [
        ('kind = "header"\nprefix = "token "', {"api_key": Secret("canary-1-api-key")}, ["canary-1-api-key"]),
        (
            'kind = "header"\nshows = "pair_base64"',
            {"username": "me", "password": Secret("canary-2-word")},
            ["canary-2-word", base64.b64encode(b"me:canary-2-word").decode()],
        ),
        (
            'kind = "basic"',
            {"username": "me", "password": Secret("canary-3-word")},
            ["canary-3-word", base64.b64encode(b"me:canary-3-word").decode()],
        ),
        (
            'kind = "oauth2"\ntoken_url = "/token"',
            {"client_id": "id", "client_secret": Secret("canary-4-secret")},
            ["canary-4-secret", "canary-t0ken"],
        ),
    ],
)
async def test_a_crm_that_repeats_our_secret_is_not_quoted(
    auth: str, config: Mapping[str, Any], secrets: list[str], tmp_path: Path
) -> None:
    rules = "\n[[operations.find_by_key.order.rules]]\nwhen = 'status == `401`'\noutcome = 'permanent'\n"
    told = f'[auth]\n{auth}\nexpired = "`false`"\n' if "oauth2" in auth else f"[auth]\n{auth}\n"
    desk = Desk(let_in="never")
    desk.token_reply = {"access_token": "canary-t0ken"}
    async with desk_with(told + rules, desk, tmp_path, **config) as adapter:
        refused = await adapter.find_by_key(KEY, RecordKind.ORDER)
        shown = repr(refused) + repr(adapter)
    assert isinstance(refused, Permanent)
    assert "[secret]" in refused.message
    assert not [secret for secret in secrets if secret in shown]


async def test_a_header_takes_no_line_that_would_begin_another(tmp_path: Path) -> None:
    text = MANIFEST.format(auth='[auth]\nkind = "none"\n').replace(
        "method = ", 'headers = { X-K = "${in.key}" }\nmethod = '
    )
    (tmp_path / "desk.toml").write_text(text)
    config = RestConfig(base_url="https://desk.example", manifest_file=tmp_path / "desk.toml")
    async with SPEC.open(config, deps()) as adapter:
        refused = await adapter.find_by_key(OrderKey("K\r\nX-Other: 1"), RecordKind.ORDER)
    assert isinstance(refused, Permanent)
    assert "control characters" in refused.message
    assert refused != Absent()
