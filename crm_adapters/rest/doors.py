"""How one gets in, compiled: what an answer to a request for a token means, and what a login sends."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from crm_adapters.rest.auth_tables import JwtBearer, Login, Preflight, TokenReply
from crm_adapters.rest.expressions import Expression
from crm_adapters.rest.manifest import Manifest
from crm_adapters.rest.templates import Render
from crm_adapters.rest.trials import Names, Trials

SECRETS = ("username", "password", "api_key", "client_id", "client_secret")
_SEEN: Names = frozenset({"status", "headers", "body", "cookies", "config"})
_GIVEN: Names = frozenset({"secret", "config"})


class CompiledLogin(Struct, frozen=True, kw_only=True):
    """The request that opens a session."""

    headers: Mapping[str, Render]
    body: Render | None
    form: Mapping[str, Render] | None


class Door(Struct, frozen=True, kw_only=True):
    """Everything about getting in that is an expression."""

    token: Expression
    expires_in: Expression
    base_url: Expression | None
    expired: Expression
    prefix: Render
    subject: Render | None = None
    audience: Render | None = None
    login: CompiledLogin | None = None
    preflight_headers: Mapping[str, Render] = {}
    preflight_expired: Expression | None = None


def compile_door(manifest: Manifest, variables: Mapping[str, str], trials: Trials) -> Door:
    """Return the compiled door of a manifest; what cannot work is noted in ``trials``."""
    auth = manifest.auth
    reply = auth if isinstance(auth, TokenReply) else Login(path="/")
    context: dict[str, Any] = {"config": variables, "secret": dict.fromkeys(SECRETS, "x")}
    signed = auth if isinstance(auth, JwtBearer) else None
    preflight = manifest.preflight
    return Door(
        token=trials.expression("auth", "token", reply.token, _SEEN),
        expires_in=trials.expression("auth", "expires_in", reply.expires_in, _SEEN),
        base_url=trials.maybe("auth", "base_url", reply.base_url, _SEEN),
        expired=trials.expression("auth", "expired", reply.expired, _SEEN),
        prefix=trials.tree("auth", "prefix", reply.prefix, _GIVEN | {"token"}, {**context, "token": "x"}),
        subject=None if signed is None else trials.tree("auth", "subject", signed.subject, _GIVEN, context),
        audience=None if signed is None else trials.tree("auth", "audience", signed.audience, _GIVEN, context),
        login=_login(auth, trials, context) if isinstance(auth, Login) else None,
        preflight_headers=_headers("preflight", preflight, trials, context),
        preflight_expired=None
        if preflight is None
        else trials.expression("preflight", "expired", preflight.expired, _SEEN),
    )


def _login(auth: Login, trials: Trials, context: Mapping[str, Any]) -> CompiledLogin:
    form = auth.form
    if auth.body is not None and form is not None:
        trials.note("auth", "body, form: expected one of them")
    return CompiledLogin(
        headers=_headers("auth", auth, trials, context),
        body=None if auth.body is None else trials.tree("auth", "body", auth.body, _GIVEN, context),
        form=None
        if form is None
        else {name: trials.tree("auth", f"form.{name}", text, _GIVEN, context) for name, text in form.items()},
    )


def _headers(
    table: str, told: Login | Preflight | None, trials: Trials, context: Mapping[str, Any]
) -> dict[str, Render]:
    headers = {} if told is None else told.headers
    return {name: trials.tree(table, f"headers.{name}", text, _GIVEN, context) for name, text in headers.items()}
