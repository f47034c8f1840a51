"""Signed assertions as a sandbox reads them: RFC 7523, against the certificate that was registered."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from msgspec import Struct

_ALGORITHMS: Final = ["RS256", "PS256"]
_SKEW_S: Final = 300.0
_PUBLIC: Final = serialization.PublicFormat.SubjectPublicKeyInfo


class BadAssertion(ValueError):
    """Why an assertion is refused."""


class Assertion(Struct, frozen=True, kw_only=True):
    """A JWT whose signature belongs to ``certificate``."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    certificate: bytes

    @classmethod
    def verified(cls, text: str, certificate_pem: str) -> "Assertion":
        """Return the assertion, whoever it is meant for and whenever it was made.

        Raises:
            BadAssertion: it is no JWT, or is signed by another key.
        """
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        key = RSAKey.import_key(certificate.public_key().public_bytes(serialization.Encoding.PEM, _PUBLIC))
        try:
            token = jwt.decode(text, key, algorithms=_ALGORITHMS)
        except (JoseError, ValueError) as error:
            raise BadAssertion(f"{type(error).__name__}: {error}") from error
        shown = certificate.public_bytes(serialization.Encoding.DER)
        return cls(header=token.header, claims=token.claims, certificate=shown)

    def require(self, **allowed: tuple[str, ...]) -> None:
        """Refuse a claim that has none of its allowed values.

        Raises:
            BadAssertion: one has not.
        """
        for name, values in allowed.items():
            if str(self.claims.get(name, "")).rstrip("/") not in values:
                raise BadAssertion(f"{name} is {self.claims.get(name)!r}, expected {values[0]!r}")

    def require_current(self, now: datetime, *, longest_s: float) -> None:
        """Refuse an assertion that has expired, expires too late or is not valid yet; numbers may be text.

        Raises:
            BadAssertion: it does.
        """
        left_s = _seconds(self.claims.get("exp"), "exp") - now.timestamp()
        if left_s <= 0:
            raise BadAssertion("it has expired")
        if left_s > longest_s + _SKEW_S:
            raise BadAssertion(f"it expires {left_s:.0f} s from now, at most {longest_s:.0f} are allowed")
        if "nbf" in self.claims and _seconds(self.claims["nbf"], "nbf") > now.timestamp() + _SKEW_S:
            raise BadAssertion("it is not valid yet")

    def require_thumbprint(self) -> None:
        """Refuse an assertion whose header does not name the certificate (RFC 7515 sections 4.1.7 and 4.1.8).

        Raises:
            BadAssertion: it names none, or another.
        """
        expected = {"x5t#S256": hashes.SHA256(), "x5t": hashes.SHA1()}  # noqa: S303 -- a name, not a signature
        for name, algorithm in expected.items():
            if name in self.header:
                if str(self.header[name]).rstrip("=") != _thumbprint(self.certificate, algorithm):
                    raise BadAssertion(f"{name} names another certificate")
                return
        raise BadAssertion("its header names no certificate (x5t#S256 or x5t)")

    def identifier(self) -> str:
        """Return its ``jti``.

        Raises:
            BadAssertion: it has none.
        """
        if not self.claims.get("jti"):
            raise BadAssertion("it has no jti")
        return str(self.claims["jti"])


def _thumbprint(certificate: bytes, algorithm: hashes.HashAlgorithm) -> str:
    digest = hashes.Hash(algorithm)
    digest.update(certificate)
    return base64.urlsafe_b64encode(digest.finalize()).decode().rstrip("=")


def _seconds(value: Any, name: str) -> float:
    try:
        return float(str(value))
    except ValueError:
        raise BadAssertion(f"{name} is no number of seconds: {value!r}") from None
