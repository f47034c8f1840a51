"""Who may enter the shop: a bearer token by OAuth 2.0 client credentials, or an API key."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from urllib.parse import unquote_plus

from aiohttp import web

from crm_adapters.rest.sandbox.forms import Refusal, json_response
from crm_adapters.sandboxing import SandboxOptions, TokenDesk

Answers = Callable[[web.Request], Awaitable[web.Response]]


class Doors:
    """Gives out tokens and lets in who has one."""

    def __init__(self, options: SandboxOptions) -> None:
        self._client = (options.credentials["client_id"], options.credentials["client_secret"])
        self._api_key = options.credentials["api_key"]
        self._life_s = options.token_life_s
        self._tokens = TokenDesk(options.clock, options.token_life_s, "shop")

    def expire_tokens(self) -> None:
        """Forget every access token."""
        self._tokens.expire_all()

    async def give_token(self, request: web.Request) -> web.Response:
        """Answer a token request (RFC 6749 sections 4.4 and 5)."""
        form = await request.post()
        if form.get("grant_type") != "client_credentials":
            return json_response({"error": "unsupported_grant_type"}, 400)
        shown = _basic(request) or (str(form.get("client_id", "")), str(form.get("client_secret", "")))
        if not all(_same(given, expected) for given, expected in zip(shown, self._client, strict=True)):
            return json_response({"error": "invalid_client"}, 401, **{"WWW-Authenticate": "Basic"})
        token = {"access_token": self._tokens.issue(), "token_type": "Bearer", "expires_in": int(self._life_s)}
        return json_response(token)

    def guarded(self, answers: Answers) -> Answers:
        """Return what answers only those who may enter, and tells refusals as the API does."""

        async def guard(request: web.Request) -> web.Response:
            try:
                self._admit(request)
                return await answers(request)
            except Refusal as refusal:
                return refusal.response()

        return guard

    def _admit(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._tokens.is_valid(token):
            return
        if _same(request.headers.get("X-Api-Key", ""), self._api_key):
            return
        raise Refusal(401, "unauthorized", "The token or API key is missing, wrong or expired.")


def _basic(request: web.Request) -> tuple[str, str] | None:
    scheme, _, coded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ("", "")
    return unquote_plus(user), unquote_plus(password)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
