"""Which servers are trusted: a folder with ``trusted``, ``rejected``, ``issuers`` and ``crl``, files in PEM or DER.

A server's certificate is trusted when it lies in ``trusted``, or when an authority that lies there issued it, perhaps
over others in ``issuers``. What was refused is put into ``rejected`` for a person to look at.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Struct

T = TypeVar("T")
_LONGEST_CHAIN: Final = 6
_MOST_REJECTED: Final = 50
"""Oldest files go first: a server that makes a new certificate at every start must not fill the disk."""


class Untrusted(Exception):
    """A certificate is not to be trusted; the text says why, and ``advice`` what may help."""

    advice = (
        "compare the number with what the server shows, then let iot2crm opcua trust move it from rejected to trusted"
    )


class OutOfDate(Untrusted):
    """A certificate is not valid yet, or no longer."""

    advice = "give the server a new certificate, or set the clocks of both machines"


class Foreign(Untrusted):
    """A certificate is another application's."""

    advice = "find out what answers there before you change anything"


class CertificateFile(Struct, frozen=True, kw_only=True):
    """A certificate in the folder, in words that a person can compare with what the server's own tools show."""

    path: Path
    thumbprint: str
    subject: str
    issuer: str
    valid_from: datetime
    valid_until: datetime
    application_uri: str


class TrustFolder:
    """The trust list of one endpoint."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def trusted(self) -> Sequence[CertificateFile]:
        """Return what is trusted."""
        return self._listed("trusted")

    def rejected(self) -> Sequence[CertificateFile]:
        """Return what was refused, the latest first."""
        return self._listed("rejected")

    def check(self, certificate: x509.Certificate, now: datetime) -> None:
        """Raise ``Untrusted`` unless the certificate is trusted now; one that is not known is kept as rejected."""
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise OutOfDate(
                f"it is valid from {certificate.not_valid_before_utc:%Y-%m-%d} to "
                f"{certificate.not_valid_after_utc:%Y-%m-%d}"
            )
        trusted = [found for _, found in self._certificates("trusted")]
        if certificate in trusted:
            return
        try:
            self._check_chain(certificate, trusted, now)
        except Untrusted:
            self.reject(certificate)
            raise

    def reject(self, certificate: x509.Certificate) -> Path:
        """Keep a certificate for a person to look at."""
        folder = self._folder / "rejected"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{thumbprint_of(certificate)}.der"
        if not path.exists():
            path.write_bytes(certificate.public_bytes(Encoding.DER))
        for old in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)[:-_MOST_REJECTED]:
            old.unlink()
        return path

    def trust(self, rejected: CertificateFile) -> Path:
        """Move a rejected certificate to the trusted ones."""
        folder = self._folder / "trusted"
        folder.mkdir(parents=True, exist_ok=True)
        return rejected.path.rename(folder / rejected.path.name)

    def _check_chain(self, certificate: x509.Certificate, trusted: Sequence[x509.Certificate], now: datetime) -> None:
        between = [found for _, found in self._certificates("issuers")]
        current = certificate
        for _ in range(_LONGEST_CHAIN):
            issuer = _issuer_of(current, [*trusted, *between], now)
            if issuer is None:
                raise Untrusted("neither it nor who issued it is trusted")
            self._check_revoked(current, issuer)
            if issuer in trusted:
                return
            current = issuer
        raise Untrusted(f"no trusted authority among the {_LONGEST_CHAIN} next issuers")

    def _check_revoked(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        for path in _files(self._folder / "crl"):
            revoked = _loaded(path, x509.load_pem_x509_crl, x509.load_der_x509_crl)
            if revoked is None or revoked.issuer != issuer.subject:
                continue
            key = issuer.public_key()
            if revoked.is_signature_valid(key) and revoked.get_revoked_certificate_by_serial_number(  # type: ignore[arg-type] # keys of other kinds sign none
                certificate.serial_number
            ):
                raise Untrusted(f"{issuer.subject.rfc4514_string()} has revoked it")

    def _listed(self, name: str) -> Sequence[CertificateFile]:
        found = sorted(self._certificates(name), key=lambda entry: entry[0].stat().st_mtime, reverse=True)
        return [_described(path, certificate) for path, certificate in found]

    def _certificates(self, name: str) -> list[tuple[Path, x509.Certificate]]:
        files = _files(self._folder / name)
        loaded = [
            (path, _loaded(path, x509.load_pem_x509_certificate, x509.load_der_x509_certificate)) for path in files
        ]
        return [(path, certificate) for path, certificate in loaded if certificate is not None]


def application_uri_of(certificate: x509.Certificate) -> str:
    """Return the application that a certificate names; empty when it names none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if uris else ""


def thumbprint_of(certificate: x509.Certificate) -> str:
    """Return the SHA-1 fingerprint, as OPC UA tools show it."""
    return certificate.fingerprint(hashes.SHA1()).hex()  # noqa: S303 - a name, that nothing relies on


def _issuer_of(
    certificate: x509.Certificate, candidates: Sequence[x509.Certificate], now: datetime
) -> x509.Certificate | None:
    for candidate in candidates:
        if candidate == certificate or not _is_authority(candidate):
            continue
        if not candidate.not_valid_before_utc <= now <= candidate.not_valid_after_utc:
            continue
        try:
            certificate.verify_directly_issued_by(candidate)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return candidate
    return None


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _described(path: Path, certificate: x509.Certificate) -> CertificateFile:
    return CertificateFile(
        path=path,
        thumbprint=thumbprint_of(certificate),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        valid_from=certificate.not_valid_before_utc,
        valid_until=certificate.not_valid_after_utc,
        application_uri=application_uri_of(certificate),
    )


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_file()] if folder.is_dir() else []


def _loaded(path: Path, pem: Callable[[bytes], T], der: Callable[[bytes], T]) -> T | None:
    """Return what a file holds; None when it is something else, such as a note for colleagues."""
    content = path.read_bytes()
    try:
        return pem(content) if b"-----BEGIN" in content else der(content)
    except ValueError:
        return None
