"""A sandbox over TLS for client libraries that are not ours: they insist on https and block their thread."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from crm_adapters.sandboxing import Fault, SandboxOptions, SandboxSpec, listening

PEM = serialization.Encoding.PEM


def write_certificate(folder: Path) -> Path:
    """Write a file with a key and a certificate for localhost, to serve with and to trust."""
    return _write(folder / "localhost.pem", ec.generate_private_key(ec.SECP256R1()), "localhost")


def write_app_key(folder: Path, name: str = "hub") -> tuple[Path, str]:
    """Write a file with an RSA key and its certificate, as an application signs with; return it and the certificate."""
    file = _write(folder / f"{name}.pem", rsa.generate_private_key(65537, 2048), name)
    written = file.read_text()
    return file, written[written.index("-----BEGIN CERTIFICATE") :]


def _write(file: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, host: str) -> Path:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    names = x509.SubjectAlternativeName([x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin.replace(year=2049))
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    secret = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + signed.public_bytes(PEM))
    return file


@asynccontextmanager
async def over_tls(
    spec: SandboxSpec, options: SandboxOptions, certificate: Path, *, faults: Iterable[Fault] = ()
) -> AsyncIterator[str]:
    """Serve a sandbox at ``https://localhost:PORT`` and end when its last connection has been closed."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with listening(spec, options, faults=faults, tls=tls) as base_url:
        before = asyncio.all_tasks()
        yield base_url.replace("127.0.0.1", "localhost")
        serving = asyncio.all_tasks() - before - {asyncio.current_task()}
        if serving:  # the client hung up in its thread; let the server notice on its loop
            await asyncio.wait(serving, timeout=30)
