"""Tokens for a key instead of a secret: signed assertions (RFC 7523), each for one request."""

import base64
import hashlib
import ssl
from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from msgspec import Struct

from actors.model.errors import ConfigError
from actors.model.secrets import Secret
from actors.ports import CrmDeps
from crm_adapters.transport import Call

_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_CLIENT: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class SigningKey(Struct, frozen=True, kw_only=True):
    """An RSA key in PEM form, and how it signs. ``header`` goes into each assertion."""

    pem: Secret
    algorithm: Literal["RS256", "PS256"]
    header: Mapping[str, str] = {}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return the signed assertion.

        Raises:
            ConfigError: the PEM text holds no RSA key.
        """
        header = {"alg": self.algorithm, "typ": "JWT", **self.header}
        return jwt.encode(header, dict(claims), self._key(), algorithms=[self.algorithm])

    def check(self) -> None:
        """Fail early where the text holds no key.

        Raises:
            ConfigError: it holds none.
        """
        self._key()

    def _key(self) -> RSAKey:
        try:
            key = RSAKey.import_key(self.pem.reveal())
        except (JoseError, ValueError, TypeError) as error:  # never shows the text: it may be half a key
            raise ConfigError(f"the private key: expected RSA in PEM form ({type(error).__name__})") from None
        if not key.is_private:
            raise ConfigError("the private key: expected one in PEM form, got a public key")
        return key


class JwtBearer(Struct, frozen=True, kw_only=True):
    """An authorization grant (RFC 7523 section 2.1), as Salesforce takes it: ``issuer`` acts as ``subject``."""

    token_url: str
    issuer: str
    subject: str
    audience: str
    key: SigningKey
    deps: CrmDeps
    life_s: int = 180

    def call(self) -> Call:
        """Return the request for a new token, with an assertion of its own."""
        expires = int(self.deps.clock.now().timestamp()) + self.life_s
        claims = {"iss": self.issuer, "sub": self.subject, "aud": self.audience, "exp": expires}
        form = {"grant_type": _GRANT, "assertion": self.key.sign(claims)}
        return Call(method="POST", url=self.token_url, writes=False, form=form)


class CertificateCredentials(Struct, frozen=True, kw_only=True):
    """Client credentials proved by a certificate (RFC 7523 section 2.2), as Entra ID takes them."""

    token_url: str
    client_id: str
    scope: str
    key: SigningKey
    deps: CrmDeps
    life_s: int = 300

    def call(self) -> Call:
        """Return the request for a new token, with an assertion of its own."""
        now = int(self.deps.clock.now().timestamp())
        client = {"iss": self.client_id, "sub": self.client_id, "aud": self.token_url}
        times = {"nbf": now, "iat": now, "exp": now + self.life_s}
        claims = {**client, **times, "jti": str(UUID(int=self.deps.chance.getrandbits(128), version=4))}
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_assertion_type": _CLIENT,
            "client_assertion": self.key.sign(claims),
            "scope": self.scope,
        }
        return Call(method="POST", url=self.token_url, writes=False, form=form)


def with_thumbprint(pem: Secret) -> SigningKey:
    """Return the key of a PEM text that also holds its certificate, which each assertion then names (``x5t#S256``).

    Raises:
        ConfigError: the text holds no RSA key, or no certificate.
    """
    mark = base64.urlsafe_b64encode(hashlib.sha256(_certificate_in(pem.reveal())).digest()).decode().rstrip("=")
    key = SigningKey(pem=pem, algorithm="PS256", header={"x5t#S256": mark})
    key.check()
    return key


def _certificate_in(text: str) -> bytes:
    begin, end = text.find(_BEGIN), text.find(_END)
    try:
        if begin >= 0:
            return ssl.PEM_cert_to_DER_cert(text[begin : end + len(_END)])
    except ValueError:  # never shows the text: the key is in it
        begin = -1
    raise ConfigError("the certificate: expected PEM text with the private key and its certificate")
