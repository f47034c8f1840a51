"""How a connection proves to Entra ID who it is: by a secret, or by a certificate."""

from actors.model.errors import ConfigError
from actors.ports import CrmDeps
from crm_adapters.assertions import CertificateCredentials, with_thumbprint
from crm_adapters.dynamics.config import DynamicsConfig
from crm_adapters.oauth import ClientCredentials, Grant


def grant_of(config: DynamicsConfig, deps: CrmDeps) -> Grant:
    """Return what a token of the environment is asked for with.

    Raises:
        ConfigError: the certificate's text is not a private key with its certificate.
    """
    scope = f"{config.origin}/.default"
    if config.client_secret is not None:
        return ClientCredentials(
            token_url=config.token_url, client_id=config.client_id, client_secret=config.client_secret, scope=scope
        )
    if config.certificate is None:
        raise ConfigError(f"[crm.{deps.connection}]: expected client_secret or certificate")
    key = with_thumbprint(config.certificate)
    return CertificateCredentials(
        token_url=config.token_url, client_id=config.client_id, scope=scope, key=key, deps=deps
    )
