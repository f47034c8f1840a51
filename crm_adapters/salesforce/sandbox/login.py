"""The token endpoint: client credentials, and the JWT bearer flow for a certificate of the app.

Source: Salesforce help, "OAuth 2.0 Client Credentials Flow" and "OAuth 2.0 JWT Bearer Flow".
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_plus

import msgspec
from aiohttp import web

from crm_adapters.salesforce.sandbox.ids import ORGANISATION_ID, USER_ID
from crm_adapters.sandboxing import SandboxOptions, TokenDesk
from crm_adapters.sandboxing.assertions import Assertion, BadAssertion

TOKEN_PATH: Final = "/services/oauth2/token"  # noqa: S105 -- a path
_JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AUDIENCES: Final = ("https://login.salesforce.com", "https://test.salesforce.com")
_LONGEST_S: Final = 300.0


class _Refused(Exception):
    """No token: OAuth error code and description."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


class Login:
    """One connected app and its integration user."""

    def __init__(self, options: SandboxOptions, tokens: TokenDesk) -> None:
        self._options = options
        self._tokens = tokens

    def routes(self) -> list[web.RouteDef]:
        """Return the token endpoint."""
        return [web.post(TOKEN_PATH, self._post_token)]

    async def _post_token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        origin = f"{request.scheme}://{request.host}"
        try:
            body = self._given(form, request.headers.get("Authorization", ""), origin)
        except _Refused as refused:
            return _json(400, {"error": refused.code, "error_description": refused.description})
        return _json(200, body)

    def _given(self, form: Mapping[str, str], authorization: str, origin: str) -> dict[str, str]:
        match form.get("grant_type"):
            case "client_credentials":
                self._check_secret(_basic(authorization) or (form.get("client_id", ""), form.get("client_secret", "")))
                issued_ms = int(self._options.clock.now().timestamp() * 1000)
                signed = {"signature": base64.b64encode(b"sandbox").decode(), "issued_at": str(issued_ms)}
                return self._token_body(origin) | signed
            case grant if grant == _JWT_BEARER:
                self._check_assertion(form.get("assertion", ""), origin)
                return self._token_body(origin)
            case _:
                raise _Refused("unsupported_grant_type", "grant type not supported")

    def _token_body(self, origin: str) -> dict[str, str]:
        return {
            "access_token": self._tokens.issue(),
            "scope": "api",
            "instance_url": origin,
            "id": f"{origin}/id/{ORGANISATION_ID}/{USER_ID}",
            "token_type": "Bearer",
        }

    def _check_secret(self, client: tuple[str, str]) -> None:
        known = self._options.credentials
        if client[0] != known["client_id"]:
            raise _Refused("invalid_client_id", "client identifier invalid")
        if client[1] != known["client_secret"]:
            raise _Refused("invalid_client", "invalid client credentials")

    def _check_assertion(self, text: str, origin: str) -> None:
        known = self._options.credentials
        if not known.get("certificate"):
            raise _Refused("invalid_client", "the app has no certificate for digital signatures")
        try:
            assertion = Assertion.verified(text, known["certificate"])
            assertion.require(aud=(*_AUDIENCES, origin), iss=(known["client_id"],))
            assertion.require_current(self._options.clock.now(), longest_s=_LONGEST_S)
        except BadAssertion as error:
            raise _Refused("invalid_grant", f"invalid assertion: {error}") from error
        if assertion.claims.get("sub") != known["username"]:
            raise _Refused("invalid_grant", "user hasn't approved this consumer")


def _basic(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(name), unquote_plus(secret)


def _json(status: int, body: Mapping[str, str]) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
