"""Credentials: what a manifest asks for, taken from the connection's configuration."""

import base64
from collections.abc import Mapping
from typing import assert_never

from msgspec.structs import replace

from actors.model.errors import ConfigError
from actors.model.outcomes import Failure
from actors.model.secrets import Secret
from actors.ports import Clock
from crm_adapters.oauth import ClientCredentials, TokenKeeper
from crm_adapters.rest.config import RestConfig
from crm_adapters.rest.manifest import BasicAuth, HeaderAuth, Manifest, NoAuth, OAuth2
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


def check_credentials(manifest: Manifest, config: RestConfig) -> None:
    """Raise where the configuration lacks what the manifest's authentication needs.

    Raises:
        ConfigError: the text names the missing keys.
    """
    match manifest.auth:
        case NoAuth():
            needed: dict[str, object] = {}
        case BasicAuth():
            needed = {"username": config.username, "password": config.password}
        case HeaderAuth():
            needed = {"api_key": config.api_key}
        case OAuth2():
            needed = {"client_id": config.client_id, "client_secret": config.client_secret}
        case _:
            assert_never(manifest.auth)
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise ConfigError(f"manifest {manifest.name!r} needs {' and '.join(missing)} in the connection's table")


def sender(manifest: Manifest, config: RestConfig, transport: Exchange, clock: Clock) -> Exchange:
    """Return what sends calls as the manifest's authentication says."""
    match manifest.auth:
        case NoAuth():
            return transport
        case BasicAuth():
            return FixedHeaders(transport, {"Authorization": _basic(config.username, config.password)})
        case HeaderAuth(header=name, prefix=prefix):
            return FixedHeaders(transport, {name: Secret(prefix + config.api_key.reveal())})
        case OAuth2() as oauth:
            return TokenKeeper(_credentials(oauth, config), transport, clock)
        case _:
            assert_never(manifest.auth)


def _credentials(oauth: OAuth2, config: RestConfig) -> ClientCredentials:
    is_path = oauth.token_url.startswith("/")
    return ClientCredentials(
        token_url=config.base_url.rstrip("/") + oauth.token_url if is_path else oauth.token_url,
        client_id=config.client_id,
        client_secret=config.client_secret,
        scope=oauth.scope,
        extra=oauth.extra,
        client_auth=oauth.client_auth,
    )


def _basic(username: str, password: Secret) -> Secret:
    pair = f"{username}:{password.reveal()}"
    return Secret("Basic " + base64.b64encode(pair.encode()).decode())
