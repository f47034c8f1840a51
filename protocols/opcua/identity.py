"""A certificate of the hub's own, where nobody else issues one."""

import os
import socket
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_KEY_BITS: Final = 2048
_DAY: Final = timedelta(days=1)


def make_identity(folder: Path, application_uri: str, now: datetime, days: int) -> tuple[Path, Path]:
    """Write a self-signed certificate (as PEM, and as DER for servers to trust) and its key; return both PEM files.

    Raises:
        FileExistsError: there is one already, which servers may trust.
    """
    folder.mkdir(parents=True, exist_ok=True)
    certificate_file, key_file = folder / "hub.pem", folder / "hub_key.pem"
    if certificate_file.exists():
        raise FileExistsError(certificate_file)
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    certificate = _certificate(key, application_uri, now, days)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with open(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - private from its first moment
        file.write(secret)
    certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "hub.der").write_bytes(certificate.public_bytes(Encoding.DER))
    return certificate_file, key_file


def _certificate(key: rsa.RSAPrivateKey, application_uri: str, now: datetime, days: int) -> x509.Certificate:
    """Return a certificate with all that servers look for (Part 6 section 6.2.2)."""
    host = socket.gethostname()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "IoT2CRM hub")])
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(application_uri), x509.DNSName(host)])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + days * _DAY)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(usage, critical=True)
        .add_extension(uses, critical=False)
        .sign(key, hashes.SHA256())
    )
