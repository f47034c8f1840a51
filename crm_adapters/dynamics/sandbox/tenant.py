"""The Entra ID tenant of the sandbox: its discovery document, and tokens for a secret or a signed assertion.

Source: Microsoft identity platform, OAuth 2.0 client credentials flow; OpenID Connect Discovery 1.0.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec import Struct

from crm_adapters.sandboxing import SandboxOptions, TokenDesk
from crm_adapters.sandboxing.assertions import Assertion, BadAssertion

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
_LONGEST_S: Final = 600
"""How far ahead an assertion may expire: Microsoft asks for five to ten minutes."""


class _Refused(Exception):
    """No token: HTTP status, OAuth error code, number of the AADSTS message and its text."""

    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.error = error
        self.number = number
        self.text = text


class _Asked(Struct, frozen=True, kw_only=True):
    tenant: str
    origin: str
    form: Mapping[str, str]


class Tenant:
    """One directory with one app registration."""

    def __init__(self, options: SandboxOptions, tokens: TokenDesk) -> None:
        self._options = options
        self._tokens = tokens
        self._used: set[str] = set()

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the discovery document and the token endpoint."""
        return [
            web.get("/{tenant}/v2.0/.well-known/openid-configuration", self._get_configuration),
            web.post("/{tenant}/oauth2/v2.0/token", self._post_token),
        ]

    async def _get_configuration(self, request: web.Request) -> web.Response:
        tenant = request.match_info["tenant"]
        if tenant != self._options.credentials["tenant"]:
            return self._refusal(_unknown_tenant(tenant))
        base = f"{request.scheme}://{request.host}/{tenant}"
        return _json(
            200,
            {
                "issuer": f"{base}/v2.0",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "tenant_region_scope": "EU",
            },
        )

    async def _post_token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        origin = f"{request.scheme}://{request.host}"
        try:
            self._check(_Asked(tenant=request.match_info["tenant"], origin=origin, form=form))
        except _Refused as refused:
            return self._refusal(refused)
        life_s = int(self._options.token_life_s)
        token = self._tokens.issue()
        return _json(
            200, {"token_type": "Bearer", "expires_in": life_s, "ext_expires_in": life_s, "access_token": token}
        )

    def _check(self, asked: _Asked) -> None:
        known = self._options.credentials
        form = asked.form
        if asked.tenant != known["tenant"]:
            raise _unknown_tenant(asked.tenant)
        if form.get("grant_type") != "client_credentials":
            raise _Refused(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        if form.get("client_id") != known["client_id"]:
            text = f"Application with identifier '{form.get('client_id', '')}' was not found in the directory."
            raise _Refused(400, "unauthorized_client", 700016, text)
        if "client_assertion" in form:
            self._check_assertion(asked)
        elif form.get("client_secret") != known["client_secret"]:
            raise _Refused(401, "invalid_client", 7000215, "Invalid client secret provided.")
        _check_scope(asked)

    def _check_assertion(self, asked: _Asked) -> None:
        if asked.form.get("client_assertion_type") != _ASSERTION_TYPE:
            raise _Refused(400, "invalid_request", 900144, "The body must contain 'client_assertion_type'.")
        try:
            self._accept(Assertion.verified(asked.form["client_assertion"], self._certificate()), asked)
        except BadAssertion as error:
            raise _Refused(401, "invalid_client", 700027, f"The client assertion is not valid: {error}") from error

    def _certificate(self) -> str:
        certificate = self._options.credentials.get("certificate", "")
        if not certificate:
            raise BadAssertion("no certificate is registered for the application")
        return certificate

    def _accept(self, assertion: Assertion, asked: _Asked) -> None:
        base = f"{asked.origin}/{asked.tenant}"
        client = self._options.credentials["client_id"]
        assertion.require_thumbprint()
        assertion.require(iss=(client,), sub=(client,), aud=(f"{base}/oauth2/v2.0/token", f"{base}/v2.0"))
        assertion.require_current(self._options.clock.now(), longest_s=_LONGEST_S)
        mark = assertion.identifier()
        if mark in self._used:
            raise BadAssertion("its jti was used before")
        self._used.add(mark)

    def _refusal(self, refused: _Refused) -> web.Response:
        body = {
            "error": refused.error,
            "error_description": f"AADSTS{refused.number}: {refused.text}",
            "error_codes": [refused.number],
            "timestamp": self._options.clock.now().strftime("%Y-%m-%d %H:%M:%SZ"),
            "trace_id": _NOBODY,
            "correlation_id": _NOBODY,
        }
        return _json(refused.status, body)


def _unknown_tenant(tenant: str) -> _Refused:
    return _Refused(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")


def _check_scope(asked: _Asked) -> None:
    wanted = asked.form.get("scope", "").split()
    if not {f"{asked.origin}/.default", f"{asked.origin}//.default"} & set(wanted):
        text = f"The provided value for scope {asked.form.get('scope')} is not valid."
        raise _Refused(400, "invalid_scope", 70011, text)


def _json(status: int, body: Mapping[str, Any]) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
