"""How a connection proves who it is: by a secret, or by a key that signs."""

from actors.model.errors import ConfigError
from actors.ports import CrmDeps
from crm_adapters.assertions import JwtBearer, SigningKey
from crm_adapters.oauth import ClientCredentials, Grant
from crm_adapters.salesforce.config import SalesforceConfig


def grant_of(config: SalesforceConfig, deps: CrmDeps) -> Grant:
    """Return what a token of the organisation is asked for with.

    Raises:
        ConfigError: the private key is none.
    """
    token_url = f"{config.login_url.rstrip('/')}/services/oauth2/token"
    if config.client_secret is not None:
        return ClientCredentials(token_url=token_url, client_id=config.client_id, client_secret=config.client_secret)
    if config.private_key is None:
        raise ConfigError(f"[crm.{deps.connection}]: expected client_secret or private_key")
    key = SigningKey(pem=config.private_key, algorithm="RS256")
    key.check()
    return JwtBearer(
        token_url=token_url,
        issuer=config.client_id,
        subject=config.username,
        audience=config.audience.rstrip("/"),
        key=key,
        deps=deps,
    )
