"""Requests for tokens, sessions and preflights, and what their answers grant."""

import base64
from collections.abc import Mapping
from random import Random
from typing import Any
from urllib.parse import quote_plus

from joserfc import jwt
from joserfc.errors import JoseError
from msgspec import Struct

from actors.model.outcomes import AuthFailed, Failure, Permanent, Transient
from actors.model.secrets import Secret
from actors.ports import Clock
from crm_adapters.oauth import ClientAuth
from crm_adapters.redaction import Redactor
from crm_adapters.rest import templates
from crm_adapters.rest.auth_tables import JwtBearer, Login, OAuth2, Preflight, TokenReply
from crm_adapters.rest.config import RestConfig
from crm_adapters.rest.doors import SECRETS, Door
from crm_adapters.rest.expressions import ExpressionError
from crm_adapters.rest.manifest import Manifest
from crm_adapters.rest.sessions import Grant, renew_at
from crm_adapters.transport import Call, Exchange, Reply, judge

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Gate(Struct, frozen=True, kw_only=True):
    """What one needs to get in."""

    manifest: Manifest
    door: Door
    config: RestConfig
    variables: Mapping[str, str]
    clock: Clock
    chance: Random
    redactor: Redactor

    @property
    def base_url(self) -> str:
        """Where the API is, without a slash at the end."""
        return self.config.base_url.rstrip("/")


async def token(gate: Gate, auth: OAuth2 | JwtBearer | Login, key: Any, transport: Exchange) -> Grant | Failure:
    """Ask for a token or open a session."""
    try:
        call = _token_call(gate, auth, key)
    except (ExpressionError, JoseError, ValueError) as error:
        return Permanent(code="credentials", message=f"no token was asked for: {type(error).__name__}")
    reply = await transport.exchange(call)
    if not isinstance(reply, Reply):
        return reply
    failure = None if gate.door.login is not None and reply.malformed else judge(call, reply)
    if failure is not None:
        return failure
    if not reply.ok:
        return AuthFailed(reason=f"no token: answered {reply.status} {_error(reply)}".rstrip())
    return _granted(gate, auth, reply)


async def prepared(gate: Gate, preflight: Preflight, entered: Exchange) -> Grant | Failure:
    """Send the preflight request."""
    context = {"config": gate.variables, "secret": _secrets(gate.config)}
    headers = {name: templates.header_text(make(context)) for name, make in gate.door.preflight_headers.items()}
    call = Call(method=preflight.method, url=gate.base_url + preflight.path, writes=False, headers=headers)
    reply = await entered.exchange(call)
    if not isinstance(reply, Reply):
        return reply
    token = reply.headers.get(preflight.header.lower(), "")
    if not reply.ok or not token:
        return judge(call, reply) or AuthFailed(reason=f"preflight: answered {reply.status} without {preflight.header}")
    kept: Mapping[str, str] = reply.cookies if preflight.keep_cookies else {}
    return Grant(
        headers={preflight.header: Secret(token)}, cookies={name: Secret(value) for name, value in kept.items()}
    )


def seen(gate: Gate, reply: Reply) -> dict[str, Any]:
    """Return what expressions see of an answer."""
    return {
        "status": reply.status,
        "headers": reply.headers,
        "body": reply.body,
        "cookies": reply.cookies,
        "config": gate.variables,
    }


def b64(text: str) -> str:
    """Return a text in Base64."""
    return base64.b64encode(text.encode()).decode()


def _granted(gate: Gate, auth: TokenReply, reply: Reply) -> Grant | Failure:
    told, door = seen(gate, reply), gate.door
    try:
        secret, expires_in = door.token.value(told), door.expires_in.value(told)
        base_url = None if door.base_url is None else door.base_url.value(told)
        keep = isinstance(auth, Login) and auth.keep_cookies
        if not secret and not (keep and reply.cookies):
            refused = isinstance(auth, Login) and reply.ok
            text = "the answer to the login holds no token" if refused else "the token reply names no token"
            return AuthFailed(reason=text) if refused else Transient(reason=text)
        shown = {auth.header: Secret(str(_prefix(gate, secret)))} if secret else {}
    except ExpressionError as error:
        return Transient(reason=f"the token reply does not fit the manifest: {error}")
    return Grant(
        headers=shown,
        cookies={name: Secret(value) for name, value in reply.cookies.items()} if keep else {},
        moved=None if base_url is None else (gate.base_url, str(base_url).rstrip("/")),
        renew_at=renew_at(expires_in, gate.clock),
    )


def _prefix(gate: Gate, token: object) -> str:
    """Return the header's text: a prefix that uses the token itself is all of it."""
    made = str(gate.door.prefix({"config": gate.variables, "secret": _secrets(gate.config), "token": token}))
    declared = gate.manifest.auth
    whole = isinstance(declared, TokenReply) and "token" in declared.prefix and "${" in declared.prefix
    return made if whole else made + str(token)


def _token_call(gate: Gate, auth: OAuth2 | JwtBearer | Login, key: Any) -> Call:
    match auth:
        case OAuth2():
            return _client_credentials(gate, auth)
        case JwtBearer():
            return _asserted(gate, auth, key)
        case Login():
            return _logged_in(gate, auth)


def _client_credentials(gate: Gate, auth: OAuth2) -> Call:
    config = gate.config
    form = {"grant_type": "client_credentials", **auth.extra} | ({"scope": auth.scope} if auth.scope else {})
    headers: dict[str, str] = {}
    if auth.client_auth is ClientAuth.BASIC:
        pair = f"{quote_plus(config.client_id)}:{quote_plus(config.client_secret.reveal())}"
        headers["Authorization"] = "Basic " + b64(pair)
    else:
        form |= {"client_id": config.client_id, "client_secret": config.client_secret.reveal()}
    return Call(method="POST", url=_absolute(gate, auth.token_url), writes=False, form=form, headers=headers)


def _asserted(gate: Gate, auth: JwtBearer, key: Any) -> Call:
    door, context = gate.door, {"config": gate.variables, "secret": _secrets(gate.config)}
    now = int(gate.clock.now().timestamp())
    header = {"alg": auth.algorithm, **({"kid": auth.key_id} if auth.key_id else {})}
    claims = {
        "iss": gate.config.client_id,
        "sub": "" if door.subject is None else door.subject(context),
        "aud": "" if door.audience is None else door.audience(context),
        "iat": now,
        "exp": now + auth.life_s,
        "jti": f"{gate.chance.getrandbits(128):032x}",
    }
    assertion = jwt.encode(header, claims, key, algorithms=[auth.algorithm])
    form = dict(auth.extra) | ({"scope": auth.scope} if auth.scope else {})
    if auth.as_client_assertion:
        form |= {"grant_type": "client_credentials", "client_id": gate.config.client_id}
        form |= {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": assertion}
    else:
        form |= {"grant_type": _GRANT_TYPE, "assertion": assertion}
    return Call(method="POST", url=_absolute(gate, auth.token_url), writes=False, form=form)


def _logged_in(gate: Gate, auth: Login) -> Call:
    login, context = gate.door.login, {"config": gate.variables, "secret": _secrets(gate.config)}
    if login is None:
        raise ValueError("no login was compiled")
    form = login.form
    return Call(
        method=auth.method,
        url=_absolute(gate, auth.path),
        writes=False,
        headers={name: templates.header_text(make(context)) for name, make in login.headers.items()},
        json=None if login.body is None else login.body(context),
        form=None if form is None else {name: templates.scalar_text(make(context)) for name, make in form.items()},
    )


def _secrets(config: RestConfig) -> dict[str, str]:
    values = {name: getattr(config, name) for name in SECRETS}
    return {name: value.reveal() if isinstance(value, Secret) else str(value) for name, value in values.items()}


def _absolute(gate: Gate, url: str) -> str:
    return gate.base_url + url if url.startswith("/") else url


def _error(reply: Reply) -> str:
    """Return the error's code (RFC 6749 section 5.2); its description may repeat what was sent."""
    match reply.body:
        case {"error": str(code)}:
            return code
        case _:
            return ""
