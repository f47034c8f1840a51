"""Credentials: what a manifest asks for, taken from the connection's configuration."""

from collections.abc import Awaitable, Callable, Mapping
from typing import assert_never
from urllib.parse import quote_plus

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from msgspec.structs import replace

from actors.model.errors import ConfigError
from actors.model.outcomes import Failure
from actors.model.secrets import Secret
from crm_adapters.rest import tokens
from crm_adapters.rest.auth_tables import BasicAuth, HeaderAuth, JwtBearer, Login, NoAuth, OAuth2, Shown
from crm_adapters.rest.config import RestConfig
from crm_adapters.rest.doors import SECRETS
from crm_adapters.rest.expressions import Expression, ExpressionError
from crm_adapters.rest.manifest import Manifest
from crm_adapters.rest.sessions import Grant, Keeper
from crm_adapters.rest.tokens import Gate
from crm_adapters.transport import Call, Exchange, Reply


class FixedHeaders:
    """Sends calls with headers that never change."""

    def __init__(self, transport: Exchange, headers: Mapping[str, Secret]) -> None:
        self._transport = transport
        self._headers = headers

    async def exchange(self, call: Call) -> Reply | Failure:
        """Send one call; any complete answer is a reply."""
        revealed = {name: secret.reveal() for name, secret in self._headers.items()}
        return await self._transport.exchange(replace(call, headers={**call.headers, **revealed}))


def secrets_of(config: RestConfig) -> list[Secret]:
    """Return every secret of a connection, and what is sent in its place."""
    pair = Secret(f"{config.username}:{config.password.reveal()}")
    client = Secret(f"{quote_plus(config.client_id)}:{quote_plus(config.client_secret.reveal())}")
    known = [config.client_secret, config.password, config.api_key, config.private_key, config.webhook_secret]
    return [
        *(each for each in known if each),
        *([pair] if config.password else []),
        *([client] if config.client_secret else []),
    ]


def check_credentials(manifest: Manifest, config: RestConfig) -> None:
    """Raise where the configuration lacks what the manifest's authentication needs.

    Raises:
        ConfigError: the text names the missing keys.
    """
    needed = _needed(manifest, config)
    if manifest.webhook is not None and config.webhook_secret:
        needed |= {"webhook_secret": config.webhook_secret}
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise ConfigError(f"manifest {manifest.name!r} needs {' and '.join(missing)} in the connection's table")


def sender(gate: Gate, transport: Exchange) -> Exchange:
    """Return what sends calls as the manifest's authentication says, after its preflight where it has one.

    Raises:
        ConfigError: the private key cannot be used.
    """
    entered = _entered(gate, transport)
    preflight = gate.manifest.preflight
    if preflight is None or gate.door.preflight_expired is None:
        return entered

    async def fetch() -> Grant | Failure:
        return await tokens.prepared(gate, preflight, entered)

    return _keeper(gate, entered, fetch, gate.door.preflight_expired, writes_only=True)


def _entered(gate: Gate, transport: Exchange) -> Exchange:
    auth, config = gate.manifest.auth, gate.config
    match auth:
        case NoAuth():
            return transport
        case BasicAuth():
            pair = f"{config.username}:{config.password.reveal()}"
            return FixedHeaders(transport, {"Authorization": Secret("Basic " + tokens.b64(pair))})
        case HeaderAuth(header=name, prefix=prefix):
            return FixedHeaders(transport, {name: Secret(prefix + _shown(auth.shows, config))})
        case OAuth2() | JwtBearer() | Login():
            key = _private_key(auth, config) if isinstance(auth, JwtBearer) else None

            async def fetch() -> Grant | Failure:
                return await tokens.token(gate, auth, key, transport)

            return _keeper(gate, transport, fetch, gate.door.expired)
        case _:
            assert_never(auth)


def _keeper(
    gate: Gate,
    inner: Exchange,
    fetch: Callable[[], Awaitable[Grant | Failure]],
    expired: Expression,
    *,
    writes_only: bool = False,
) -> Keeper:
    def is_expired(reply: Reply) -> bool:
        try:
            return bool(expired.value(tokens.seen(gate, reply)))
        except ExpressionError:
            return False

    return Keeper(
        inner,
        fetch,
        expired=is_expired,
        clock=gate.clock,
        redactor=gate.redactor,
        writes_only=writes_only,
    )


def _needed(manifest: Manifest, config: RestConfig) -> dict[str, object]:
    match manifest.auth:
        case NoAuth():
            return {}
        case BasicAuth():
            return {"username": config.username, "password": config.password}
        case HeaderAuth(shows=Shown.API_KEY):
            return {"api_key": config.api_key}
        case HeaderAuth():
            return {"username": config.username, "password": config.password}
        case OAuth2():
            return {"client_id": config.client_id, "client_secret": config.client_secret}
        case JwtBearer():
            return {"client_id": config.client_id, "private_key": config.private_key}
        case Login() as login:
            told = repr((login.headers, login.body, login.form, login.prefix))
            return {name: getattr(config, name) for name in SECRETS if f"secret.{name}" in told}
        case _:
            assert_never(manifest.auth)


def _private_key(auth: JwtBearer, config: RestConfig) -> RSAKey | ECKey:
    kind = ECKey if auth.algorithm == "ES256" else RSAKey
    try:
        return kind.import_key(config.private_key.reveal())
    except (JoseError, ValueError, TypeError) as error:
        raise ConfigError(f"private_key: expected a private key in PEM for {auth.algorithm}") from error


def _shown(shows: Shown, config: RestConfig) -> str:
    pair = f"{config.username}:{config.password.reveal()}"
    match shows:
        case Shown.API_KEY:
            return config.api_key.reveal()
        case Shown.PAIR:
            return pair
        case Shown.PAIR_BASE64:
            return tokens.b64(pair)
